/** What the classifier may look at: the texts and the shape of a request. */
export type LinearInput = {
  readonly text: string;
  readonly system: string;
  readonly stream: boolean;
  readonly maxTokens: number | undefined;
  readonly toolCount: number;
  readonly inToolLoop: boolean;
  readonly responseFormat: 'text' | 'json_object' | 'json_schema' | 'grammar';
  readonly messageCount: number;
};
