// Starting a run through Airflow's own API, so that Airflow decides who may.

const DAG = "../api/v2/dags/totesys_warehouse";
const byId = (id) => document.getElementById(id);

/** Make the dialog work; `told` is called with the id of a run that was started. */
export function prepareDialog(told) {
  const dialog = byId("trigger");
  byId("trigger-cancel").addEventListener("click", () => dialog.close());
  byId("trigger-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    byId("trigger-run").disabled = true;
    try {
      const run = await start(dialog.dataset.table, byId("full-refresh").checked, JSON.parse(dialog.dataset.accepted));
      dialog.close();
      told(run.dag_run_id);
    } catch (error) {
      byId("trigger-problem").textContent = error.message;
    } finally {
      byId("trigger-run").disabled = false;
    }
  });
}

/** Ask whether to run a table, or all of them for an empty name; `accepted` names source tables whose deletions are believed. */
export function askToRun(table, accepted = []) {
  const dialog = byId("trigger");
  dialog.dataset.table = table;
  dialog.dataset.accepted = JSON.stringify(accepted);
  byId("trigger-title").textContent = accepted.length ? `Accept deletions of ${table}` : table ? `Run ${table}` : "Run all tables";
  byId("trigger-text").textContent = accepted.length
    ? `Most rows of ${accepted.join(", ")} are gone from the source. Accept this only if they were really deleted: the warehouse then shows them as deleted, too.`
    : table
      ? "Brings this table up to date now, with all that it refers to."
      : "Brings all tables up to date now, without waiting for the next run.";
  byId("trigger-run").textContent = accepted.length ? "Accept and run" : "Run";
  byId("full-refresh").checked = false;
  byId("trigger-problem").textContent = "";
  dialog.showModal();
}

async function start(table, fullRefresh, accepted) {
  const conf = { tables: table ? [table] : [], full_refresh: fullRefresh };
  if (accepted.length) conf.accept_deletions = accepted;
  const answer = await fetch(`${DAG}/dagRuns`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ logical_date: null, conf }),
  });
  if (answer.ok) return answer.json();
  if (answer.status === 401) throw new Error("Your session has ended: log in to Airflow again.");
  if (answer.status === 403) throw new Error("You may look, but not start runs: ask for the permission to trigger this DAG.");
  if (answer.status === 404) throw new Error("Airflow does not know the DAG totesys_warehouse yet.");
  throw new Error(`Airflow answered ${answer.status}: ${(await answer.text()).slice(0, 200)}`);
}

/** Whether the DAG is paused; false where Airflow does not say. */
export async function isPaused() {
  try {
    const answer = await fetch(DAG);
    return answer.ok && (await answer.json()).is_paused === true;
  } catch {
    return false;
  }
}
