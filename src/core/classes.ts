/** What the client needs, most urgent first: the order is the lane's priority. */
export const MODEL_CLASSES = ['route', 'interactive', 'quality', 'batch'] as const;
/** One of {@link MODEL_CLASSES}. */
export type ModelClass = (typeof MODEL_CLASSES)[number];

/** What a text is about; quality is kept per model and task. */
export const TASKS = ['chat', 'qa', 'summarize', 'extract', 'rewrite', 'code', 'reasoning', 'creative'] as const;
/** One of {@link TASKS}. */
export type Task = (typeof TASKS)[number];

/** True when the text names a class. */
export const isModelClass = (text: string): text is ModelClass => (MODEL_CLASSES as readonly string[]).includes(text);

/** Rank of a class in a lane: 0 is served first. */
export const classPriority = (modelClass: ModelClass): number => PRIORITIES[modelClass];

// Looked up some hundred times in a decision with a long queue.
const PRIORITIES: Readonly<Record<ModelClass, number>> = { route: 0, interactive: 1, quality: 2, batch: 3 };
