import { type Clock, systemClock } from './core/clock.ts';
import { GatewayError, messageOf } from './core/errors.ts';
import { packageVersion } from './core/package-root.ts';
import type { Policy } from './core/policy.ts';
import { GENERATION_CODECS, TEXT_CODECS } from './dialects/codecs.ts';
import { createExaminer } from './examine-machine.ts';
import { createHttpApp } from './http/app.ts';
import { clientsWithoutKey, createAuthenticate, hasKeys } from './http/authenticate.ts';
import { crossOrigin } from './http/cors.ts';
import { checkExposure, mayBeAnonymous } from './http/exposure.ts';
import { createGenerationHandler } from './http/generation.ts';
import { createIdempotency } from './http/idempotency.ts';
import { readGatewayState } from './http/metrics.ts';
import { createOpenAnswers } from './http/open-answers.ts';
import type { HttpParts, Simulation } from './http/parts.ts';
import { type ListeningServer, listen } from './http/server.ts';
import { type Machine, openMachine } from './machine.ts';
import type { EventBus } from './observe/event-bus.ts';
import { openTelemetry, type Telemetry } from './observe/telemetry.ts';
import { type Overnight, openOvernight } from './overnight.ts';
import type { PolicyWithText } from './policy/load.ts';
import { createClassifier } from './serve/classifier.ts';
import { type ClientAccounts, openClientAccounts } from './serve/client-accounts.ts';
import { createDrain } from './serve/drain.ts';
import { createIdleBench, type IdleBench } from './serve/idle-bench.ts';
import type { ServeParts } from './serve/job.ts';
import { createPromptKnowledge, type PromptKnowledge } from './serve/prompt-knowledge.ts';
import { createServeParts, deviceOf } from './serve/serve-parts.ts';
import { takeSnapshot } from './serve/snapshot.ts';
import { type BeforeStartRun, runBeforeStart } from './supervise/before-start.ts';
import { createLanes, type Lanes } from './supervise/lane.ts';
import { type ForeignLoad, watchForeignLoad } from './transport/foreign-load.ts';
import { openPolicySource, type PolicyEvent, type PolicySource } from './transport/policy-source.ts';

/** How a gateway is started. */
export type GatewayOptions = {
  readonly policyFile: string;
  /** What was read of that file a moment ago, so that it need not be checked again. */
  readonly knownPolicy?: PolicyWithText;
  readonly dataDir: string;
  /** Overrides of `gateway.host` and `gateway.port`; port 0 takes a free one. */
  readonly host?: string;
  readonly port?: number;
  /** Serve other machines without API keys. */
  readonly allowAnonymous: boolean;
  readonly clock: Clock;
  readonly events: EventBus;
  readonly environment: NodeJS.ProcessEnv;
  /** A simulated board is served; `clock` runs at its speed. */
  readonly simulation?: Simulation;
  /** Folder that stands for `/` where clocks, temperatures and the kernel are read; default: the machine's own. */
  readonly sysroot?: string;
};

/** A gateway that listens. */
export interface Gateway {
  /** `http://host:port` */
  readonly url: string;
  readonly policy: () => Policy;
  /** Resolves when the models have been looked at and the resident ones have been started, well or badly. */
  readonly settled: () => Promise<void>;
  /** Reads the policy file again. */
  readonly reload: () => Promise<void>;
  /** Refuses new requests, lets running ones finish within `gateway.drain`, stops every child. */
  readonly stop: () => Promise<void>;
}

/** Starts a gateway. Rejects, leaving nothing behind, when the policy, the data directory or the port cannot be had. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  let policyChanged: (event: PolicyEvent) => void = () => undefined;
  const onEvent = (event: PolicyEvent) => policyChanged(event);
  const source = await openPolicySource(options.policyFile, { ...options, known: options.knownPolicy, onEvent });
  const undo: (() => Promise<void>)[] = [() => source.close()];
  try {
    checkExposure(source.current(), options);
    const machine = await openMachine(options, (id) => source.current().models.get(id));
    undo.unshift(() => machine.close(source.current().gateway.drainMs));
    const running = new RunningGateway(options, source, machine);
    undo.unshift(() => running.unlisten());
    policyChanged = (event) => running.onPolicy(event);
    await running.listen();
    running.begin();
    return running;
  } catch (error) {
    for (const step of undo) await step();
    throw error;
  }
}

class RunningGateway implements Gateway {
  readonly #options: GatewayOptions;
  readonly #source: PolicySource;
  readonly #machine: Machine;
  readonly #lanes: Lanes;
  readonly #prompts: PromptKnowledge;
  readonly #foreignLoad: ForeignLoad;
  readonly #accounts: ClientAccounts;
  readonly #idleBench: IdleBench;
  readonly #overnight: Overnight;
  readonly #telemetry: Telemetry;
  readonly #parts: HttpParts;
  #server: ListeningServer | undefined;
  #authenticate: HttpParts['authenticate'] = () => () => undefined;
  #isStarting = true;
  readonly #stopping = new AbortController();
  #started: Promise<void> = Promise.resolve();
  #beforeStart: BeforeStartRun | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: GatewayOptions, source: PolicySource, machine: Machine) {
    this.#options = options;
    this.#source = source;
    this.#machine = machine;
    this.#lanes = createLanes({ clock: options.clock, emit: options.events.emit });
    this.#prompts = createPromptKnowledge(options.clock, machine.supervisor);
    this.#foreignLoad = watchForeignLoad({
      clock: options.clock,
      pids: () => [...machine.supervisor.views().values()].flatMap(({ pid }) => pid ?? []),
    });
    machine.profiles.onMeasured((id) => machine.learner.remeasured(deviceOf(id, source.current()), id));
    const timezone = () => source.current().batch.timezone;
    const { clock, events } = options;
    this.#accounts = openClientAccounts({ clock, emit: events.emit, timezone, store: machine.store });
    this.#idleBench = this.#makeIdleBench();
    const readState = () => readGatewayState(this.#parts, options.sysroot);
    this.#telemetry = openTelemetry({ ...options, version: packageVersion(), policy: this.policy, readState });
    const parts = this.#makeParts();
    const { dataDir } = options;
    const around = { lanes: this.#lanes, watch: machine.watch, foreignLoad: this.#foreignLoad, store: machine.store };
    this.#overnight = openOvernight({ ...parts, ...around, dataDir, events });
    const { files, batches, runner, removeBatch } = this.#overnight;
    this.#parts = { ...parts, files, batches, removeBatch, batchOutlook: (id) => runner.outlook(id) };
    options.events.subscribe((event) => {
      if (event.kind === 'request.finished') {
        machine.store.recordRequest(event.record);
        this.#accounts.finished(event.record);
      }
      if (event.kind === 'child.state') this.#prompts.childMoved(event.model, event.to);
    });
    this.#configure(source.current());
  }

  get url(): string {
    return this.#server?.url ?? '';
  }

  policy = (): Policy => this.#source.current();
  settled = async (): Promise<void> => {
    await this.#started;
    await this.#machine.supervisor.ready();
  };

  reload = (): Promise<void> => this.#source.reload();

  async listen(): Promise<void> {
    const { gateway } = this.#source.current();
    const { host = gateway.host, port = gateway.port } = this.#options;
    const codecs = [...GENERATION_CODECS, ...TEXT_CODECS];
    this.#server = await listen(
      {
        app: createHttpApp(this.#parts),
        generations: new Map(codecs.map((codec) => [codec.path, createGenerationHandler(this.#parts, codec)])),
      },
      { host, port },
      {
        crossOrigin: crossOrigin(() => this.#source.current()),
        stalled: {
          // Clients read no faster where a simulated board is served faster than time.
          clock: systemClock,
          limitMs: () => this.#source.current().gateway.writeTimeoutMs,
          onCut: (message) => this.#options.events.emit({ kind: 'gateway.notice', level: 'warn', message }),
        },
      },
    );
  }

  async unlisten(): Promise<void> {
    await this.#server?.close();
  }

  /** Looks at the models and starts the resident ones, while `/health` already answers. */
  begin(): void {
    const { emit } = this.#options.events;
    const policy = this.#source.current();
    this.#telemetry.start();
    emit({ kind: 'policy.loaded', file: policy.file, revision: policy.revision });
    this.#started = this.#prepare(policy)
      .then(() => this.#overnight.start())
      .catch((error: unknown) => {
        emit({ kind: 'gateway.notice', level: 'error', message: `starting: ${messageOf(error)}` });
      })
      .finally(() => {
        this.#isStarting = false;
      });
  }

  onPolicy(event: PolicyEvent): void {
    const { emit } = this.#options.events;
    if (event.kind === 'rejected') {
      emit({ kind: 'policy.rejected', file: this.#options.policyFile, message: event.message });
      return;
    }
    this.#configure(event.policy);
    emit({ kind: 'policy.loaded', file: event.policy.file, revision: event.policy.revision });
    for (const message of event.notices) emit({ kind: 'gateway.notice', level: 'warn', message });
    this.#started = this.#started
      .then(() => this.#applyPolicy(event.policy))
      .catch((error: unknown) => {
        emit({ kind: 'gateway.notice', level: 'error', message: `applying the new policy: ${messageOf(error)}` });
      });
  }

  stop = (): Promise<void> => {
    this.#stopped ??= this.#shutDown();
    return this.#stopped;
  };

  async #prepare(policy: Policy): Promise<void> {
    const { clock, events, dataDir } = this.#options;
    try {
      this.#beforeStart = await runBeforeStart(policy.machine, { clock, emit: events.emit, dataDir });
    } catch (error) {
      // Models that do not need what failed can still serve; those that do will say so themselves.
      events.emit({ kind: 'gateway.notice', level: 'error', message: `machine.before_start: ${messageOf(error)}` });
    }
    await this.#applyPolicy(policy);
  }

  async #applyPolicy(policy: Policy): Promise<void> {
    const { supervisor } = this.#machine;
    await supervisor.applyPolicy(policy);
    if ([...supervisor.views().values()].some(({ availability }) => availability.kind === 'available')) return;
    const message = `none of the ${policy.models.size} models can be used; "sluice models" and GET /ready say why and what to do`;
    this.#options.events.emit({ kind: 'gateway.notice', level: 'warn', message });
  }

  #configure(policy: Policy): void {
    const { environment, events } = this.#options;
    const allowAnonymous = mayBeAnonymous(policy, this.#options);
    const authenticate = createAuthenticate(policy, environment, { allowAnonymous });
    this.#authenticate = () => authenticate;
    for (const { name, keyEnv } of clientsWithoutKey(policy, environment)) {
      const message = `client ${name} cannot log in: the environment variable ${keyEnv} is not set`;
      events.emit({ kind: 'gateway.notice', level: hasKeys(policy, environment) ? 'warn' : 'info', message });
    }
    this.#lanes.configure(policy.devices.values(), policy.gateway.queueDepthMax);
  }

  async #shutDown(): Promise<void> {
    const { drainMs } = this.#source.current().gateway;
    this.#stopping.abort();
    await this.#source.close();
    await this.#idleBench.close();
    await this.#overnight.close();
    this.#parts.classifier.close();
    const error = new GatewayError('shutting_down', 'the gateway is shutting down', { retryAfterMs: 5000 });
    this.#lanes.close(error);
    await this.#server?.drain(drainMs, this.#options.clock);
    this.#parts.answers.cancelAll();
    await this.#started;
    this.#foreignLoad.close();
    this.#accounts.close();
    await this.#telemetry.close();
    await this.#machine.close(drainMs);
    await this.#beforeStart?.stop();
    await this.#server?.close();
  }

  #makeParts(): Omit<HttpParts, 'files' | 'batches' | 'removeBatch' | 'batchOutlook'> {
    const { clock, events } = this.#options;
    const { supervisor, profiles, learner, store } = this.#machine;
    const policy = () => this.#source.current();
    const serve = this.#makeServeParts();
    const drain = createDrain();
    const sources = {
      clock,
      policy,
      supervisor,
      lanes: this.#lanes,
      profileOf: profiles.profileOf.bind(profiles),
      prefixCacheOf: this.#prompts.cacheOf,
      knowledge: learner.knowledge,
      watch: this.#machine.watch,
    };
    return {
      ...{ clock, emit: events.emit, subscribe: events.subscribe, version: packageVersion() },
      metrics: this.#telemetry.metrics,
      policy,
      policyError: () => this.#source.lastError()?.message,
      policyHistory: () => this.#source.history(),
      examine: createExaminer(this.#options),
      authenticate: () => this.#authenticate(),
      limits: this.#accounts.limits,
      usage: this.#accounts.usage,
      ...{ usageSince: store.usageSince, keepsDecision: store.keepsDecision },
      classifier: createClassifier({ serve, policy, dataDir: this.#options.dataDir, profileOf: sources.profileOf }),
      prompts: this.#prompts,
      snapshot: () => takeSnapshot(sources),
      serve,
      supervisor,
      answers: createOpenAnswers(clock),
      idempotency: createIdempotency(clock),
      profileOf: (id) => {
        const model = policy().models.get(id);
        return model === undefined ? {} : profiles.profileOf(model, supervisor.views().get(id)?.facts);
      },
      recentRequests: (limit, requestId) => store.recentRequests(limit, { requestId }),
      isDraining: () => this.#stopping.signal.aborted || drain.active,
      stopping: this.#stopping.signal,
      drain,
      isStarting: () => this.#isStarting,
      started: () => this.#started,
      startedAtMs: clock.nowMs(),
      idleBench: () => this.#idleBench.status(),
      simulation: this.#options.simulation,
    };
  }

  #makeIdleBench(): IdleBench {
    const { clock, events, simulation, sysroot } = this.#options;
    const { supervisor, profiles, learner, store, watch } = this.#machine;
    // A simulated board has no truth of its own that measuring could find: its times are the policy's figures.
    const policy = () => (simulation === undefined ? this.policy() : { ...this.policy(), bench: { idle: undefined } });
    return createIdleBench({
      ...{ clock, emit: events.emit, policy, sysroot, sluiceVersion: packageVersion(), lanes: this.#lanes },
      ...{ supervisor, store, watch, profileOf: profiles.profileOf.bind(profiles) },
      isDrifting: (device, id) => learner.knowledge.calibration(device, id).drift === 'drifting',
      // Its slots hold a prompt of the measurement: nothing of a conversation is left, as after a stop.
      cachesLost: (id) => this.#prompts.childMoved(id, 'stopped'),
      probed: (model, figures) => profiles.observe(model, figures),
      remeasured: () => profiles.refresh(),
    });
  }

  #makeServeParts(): ServeParts {
    const { clock, events } = this.#options;
    return createServeParts({
      ...this.#machine,
      clock,
      emit: events.emit,
      lanes: this.#lanes,
      prompts: this.#prompts,
      foreignLoad: this.#foreignLoad,
      policy: this.policy,
    });
  }
}
