/**
 * The requests to projectors and notifiers and their answers, as JSON. They are written by hand from the types of the
 * crate `operator-protocol`; each names its type there.
 */

/** `Service`: the processes that answer a request. */
export type Service = 'projector' | 'notifier';

/** `State`: the state of a generation. */
export type State = 'building' | 'ready' | 'active' | 'standby' | 'retired';

/** `Goal`: the state up to which the driver takes a generation. */
export type Goal = 'ready' | 'verified' | 'active';

/** `Report`: all generations that have tables. */
export interface Report {
  model_version: string;
  projectors: number;
  generations: GenerationReport[];
  erasures: ErasureReport[];
}

/** `ErasureReport`: a deleted user whose erasure is not complete. */
export interface ErasureReport {
  user_id: string;
  since: string;
  waits_for: string;
}

/** `GenerationReport`: the status of a generation. */
export interface GenerationReport {
  generation: number;
  model_version: string;
  state: State;
  goal: Goal;
  phase: string;
  paused: boolean;
  max_rate: number | null;
  low_priority: boolean;
  created_at: string;
  activated_at: string | null;
  verified_at: string | null;
  verification: { outcome?: string; [detail: string]: unknown } | null;
  failure: string | null;
  streams: StreamReport[];
}

/** `StreamReport`: the status of a stream of a generation. */
export interface StreamReport {
  stream: string;
  position: number;
  /** Null while the log is unavailable. */
  end: number | null;
  lag: number | null;
  holder: string | null;
  progress: string;
  quarantined_boxes: number;
}

/** `Rebuild`: a new generation beside the active one. */
export interface Rebuild {
  to: Goal;
  max_rate: number | null;
  low_priority: boolean;
}

/** `Activate`: the activation of another generation. */
export interface Activate {
  generation: number | null;
  unverified: boolean;
}

/** `Rollback`: the activation of the previously active generation. */
export interface Rollback {
  from: number | null;
}

/** `Retire`: the retirement of a generation, or of every one that stands by. */
export type Retire = { generation: number } | 'all_standby';

/** `Pause` and `Resume`: an interruption in building a generation, and its end. */
export interface OneGeneration {
  generation: number | null;
}

/** `ChangedGeneration`: the generation that a request has changed. */
export interface ChangedGeneration {
  generation: number;
}

/** `Switched`: the result of an activation. */
export interface Switched {
  generation: number;
  former: number | null;
}

/** `Retired`: the retired generations. */
export interface Retired {
  generations: number[];
}

/** `QuarantinedBox`: a box that is quarantined at an event. */
export interface QuarantinedBox {
  box_id: string;
  stream: string;
  sequence: number;
  reason: string;
  since: string;
  waiting: number;
  generations: number[];
}

/** `QuarantinedBoxes`: the first quarantined boxes, and the number of those left out. */
export interface QuarantinedBoxes {
  boxes: QuarantinedBox[];
  more: number;
}

/** `FailedEvent`: metadata of an event that cannot be projected. */
export interface FailedEvent {
  sequence: number;
  types: string[];
  versions: number[];
  stored_at: string;
  bytes: number;
}

/** `ShownBox`: a quarantined box, and the event unless the log does not hold it. */
export interface ShownBox {
  parked: QuarantinedBox;
  event: FailedEvent | null;
}

/** `Retried`: the result of a retry. */
export interface Retried {
  released: string[];
  parked: QuarantinedBox[];
}

/** `ActorRole`: the role of an actor. */
export type ActorRole = 'user' | 'operator' | 'moderator' | 'device' | 'system';

/** `AuditCursor`: the point up to which the log was searched. */
export interface AuditCursor {
  stream: string;
  sequence: number;
}

/** `Audit`: a page of executed commands. */
export interface Audit {
  actor: string | null;
  role: ActorRole | null;
  box_id: string | null;
  since: string | null;
  until: string | null;
  after: AuditCursor | null;
}

/** `Entry`: one executed command. */
export interface Entry {
  at: string | null;
  actor: string;
  role: ActorRole | null;
  subject: string;
  events: string[];
  targets: (string | null)[];
  reason: string | null;
  command_id: string | null;
  stream: string;
  sequence: number;
}

/** `AuditPage`: a page of executed commands; null as `next` on the last one. */
export interface AuditPage {
  entries: Entry[];
  next: AuditCursor | null;
}

/** `WebhookFailure`: a failed attempt. */
export interface WebhookFailure {
  at: string;
  event_id: string;
  reason: string;
}

/** `Webhook`: a webhook, without its secret. */
export interface Webhook {
  webhook_id: string;
  url: string;
  types: string[];
  box_id: string | null;
  created_at: string;
  paused_at: string | null;
  paused_by: string | null;
  last_failure: WebhookFailure | null;
}

/** `WebhookCounts`: the number of events by state. */
export interface WebhookCounts {
  waiting: number;
  sending: number;
  done: number;
  dead: number;
}

/** `WebhookProgress`: the progress of a webhook, or of its replay, in a stream. */
export interface WebhookProgress {
  stream: string;
  position: string;
  replay_until: number | null;
  problem: string | null;
}

/** `ShownWebhook`: a webhook and the states of its events. */
export interface ShownWebhook {
  webhook: Webhook;
  live: WebhookCounts;
  replayed: WebhookCounts;
  next_attempt_at: string | null;
  progress: WebhookProgress[];
}

/** `AddWebhook`: a new webhook. */
export interface AddWebhook {
  url: string;
  types: string[];
  box_id: string | null;
}

/** `AddedWebhook`: a new webhook with its secret, which is not shown again. */
export interface AddedWebhook {
  webhook: Webhook;
  secret: string;
}

/** `ListWebhooks`: the next webhooks. */
export interface ListWebhooks {
  after: string | null;
}

/** `ShowWebhook`, `PauseWebhook`, `ResumeWebhook` and `RemoveWebhook`. */
export interface OneWebhook {
  webhook_id: string;
}

/** `ReplayWebhook`: the events of one stream again, from a position to the present. */
export interface ReplayWebhook {
  webhook_id: string;
  from: string;
}

/** `DeadPush`: a push message that was given up. */
export interface DeadPush {
  push_id: string;
  user_id: string;
  device_id: string;
  provider: string;
  room_id: string;
  kind: string;
  alarms: number;
  attempts: number;
  created_at: string;
  dead_since: string;
  reason: string;
}

/** `DeadPushes`: the newest dead push messages, and the number of those left out. */
export interface DeadPushes {
  pushes: DeadPush[];
  more: number;
}

/** `ShowDeadPush`, `RetryDeadPush` and `DropDeadPush`. */
export interface OnePush {
  push_id: string;
}

/** The requests of projectors, by their verbs: the request and the answer. */
export interface ProjectorRequests {
  status: [Record<string, never>, Report];
  rebuild: [Rebuild, ChangedGeneration];
  pause: [OneGeneration, ChangedGeneration];
  resume: [OneGeneration, ChangedGeneration];
  activate: [Activate, Switched];
  rollback: [Rollback, Switched];
  retire: [Retire, Retired];
  quarantine_list: [Record<string, never>, QuarantinedBoxes];
  quarantine_show: [{ box_id: string }, ShownBox[]];
  quarantine_retry: [{ box_id: string | null }, Retried];
  audit: [Audit, AuditPage];
}

/** The requests of notifiers, by their verbs: the request and the answer. */
export interface NotifierRequests {
  webhook_list: [ListWebhooks, Webhook[]];
  webhook_add: [AddWebhook, AddedWebhook];
  webhook_show: [OneWebhook, ShownWebhook];
  webhook_pause: [OneWebhook, Webhook];
  webhook_resume: [OneWebhook, Webhook];
  webhook_remove: [OneWebhook, { webhook_id: string }];
  webhook_replay: [ReplayWebhook, WebhookProgress];
  dead_push_list: [Record<string, never>, DeadPushes];
  dead_push_show: [OnePush, DeadPush];
  dead_push_retry: [OnePush, DeadPush];
  dead_push_drop: [OnePush, { push_id: string }];
}
