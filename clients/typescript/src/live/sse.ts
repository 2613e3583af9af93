/** A parser of server-sent events. */

/** A server-sent event. `data` is absent if only the id has changed. */
export interface ServerSentEvent {
  id?: string;
  data?: string;
}

/** Splits a stream of text into server-sent events. */
export class EventParser {
  private rest = '';
  private id: string | undefined;
  private data: string[] = [];

  /** Adds a chunk of text. Returns the events that it completes. */
  push(chunk: string): ServerSentEvent[] {
    const events: ServerSentEvent[] = [];
    this.rest += chunk;
    // A CR at the end may be the first half of a CR LF.
    const lines = this.rest.split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line !== '') {
        this.field(line);
        continue;
      }
      const event: ServerSentEvent = {};
      if (this.id !== undefined) event.id = this.id;
      if (this.data.length > 0) event.data = this.data.join('\n');
      if (event.id !== undefined || event.data !== undefined) events.push(event);
      this.id = undefined;
      this.data = [];
    }
    return events;
  }

  private field(line: string): void {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') this.data.push(value);
    else if (name === 'id') this.id = value;
  }
}
