/** The configuration that the server gives to the page. */

/** The addresses of the services. */
export interface Config {
  command_url: string;
  query_url: string;
  /** The address of the operator-gateway; null if there is none. */
  operator_url?: string | null;
  /** The public key of Web Push in base64url; null if the installation sends no push messages to browsers. */
  web_push_key?: string | null;
  /** `tab`: the session is kept in the tab. Only development servers send it; production uses a cookie. */
  session?: 'tab';
}

/** Reads `config.json` beside the page. */
export async function readConfig(): Promise<Config> {
  const response = await fetch(`${import.meta.env.BASE_URL}config.json`, { cache: 'no-cache' });
  if (!response.ok) throw new Error(`config.json: status ${response.status}`);
  const { command_url, query_url, operator_url, web_push_key = null, session } = (await response.json()) as Config;
  const absolute = (url: string) => new URL(url, location.href).href.replace(/\/+$/, '');
  const urls = {
    command_url: absolute(command_url),
    query_url: absolute(query_url),
    operator_url: operator_url ? absolute(operator_url) : null,
    web_push_key,
  };
  return session === 'tab' ? { ...urls, session } : urls;
}
