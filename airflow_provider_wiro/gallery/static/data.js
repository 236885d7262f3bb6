// The JSON of the server, and in words why there is none.

const PATIENCE = 60_000; // milliseconds

/** What the server has answered instead; a status of 0 is no answer at all. */
export class Refused extends Error {
  constructor(status, detail = "") {
    super(detail || `status ${status}`);
    this.status = status;
    this.detail = detail;
  }

  /** A heading and a sentence for a person. */
  get words() {
    if (this.status === 0) return ["Airflow doesn't answer", "The network or the API server is down."];
    if (this.status === 401) return ["You are signed out", "Sign in to Airflow again, then refresh this page."];
    if (this.status === 403) {
      return ["You may not see this", "It needs the right to read the task instances and the XComs of this DAG."];
    }
    if (this.status === 404) return ["Not found", this.detail || "Airflow doesn't know this DAG, run or task."];
    return ["The results can't be read", this.detail || `Airflow's API server answered with status ${this.status}.`];
  }
}

/** The sentence that an error's body has: `detail` of JSON, or a short plain text. */
export async function detailOf(response) {
  const type = response.headers.get("content-type") ?? "";
  const body = await response.text();
  if (type.startsWith("application/json")) {
    try {
      const { detail } = JSON.parse(body);
      return typeof detail === "string" ? detail.slice(0, 500) : "";
    } catch {
      return "";
    }
  }
  return type.startsWith("text/plain") ? body.slice(0, 500) : "";
}

export async function read(url, at = "") {
  const query = at === "" ? "" : `?${new URLSearchParams({ at })}`;
  let response;
  try {
    response = await fetch(url + query, { credentials: "same-origin", signal: AbortSignal.timeout(PATIENCE) });
  } catch {
    throw new Refused(0);
  }
  if (!response.ok) throw new Refused(response.status, await detailOf(response));
  // An auth manager may send the signed out to its login page, which is no JSON.
  if (!(response.headers.get("content-type") ?? "").startsWith("application/json")) throw new Refused(401);
  try {
    return await response.json();
  } catch {
    throw new Refused(response.status, "The answer is no JSON.");
  }
}
