// Shows the changes of the tasks. The page works without it: reload it then.
"use strict";

function show(row, task) {
  row.dataset.state = task.state;
  row.querySelector(".state").textContent = task.state;
  row.querySelector(".error").textContent = task.error;
  row.querySelector("progress").value = task.done;
  for (const verb of ["start", "stop", "delete"]) {
    row.querySelector(`button[name=${verb}]`).hidden = !task[verb];
  }
  row.querySelector(".download").hidden = !task.download;
}

async function refresh() {
  try {
    const answer = await fetch("/tasks");
    const rows = new Map([...document.querySelectorAll("tr[data-id]")].map((r) => [r.dataset.id, r]));
    if (answer.ok) {
      for (const task of await answer.json()) {
        const row = rows.get(task.id);
        if (row) show(row, task);
      }
    }
  } finally {
    setTimeout(refresh, 500);
  }
}

refresh();
