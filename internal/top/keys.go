package top

import "strings"

// help lists the keys. The command's help and the page behind "?" show it.
const help = `  ↑ ↓  k j        go to a line; in a page also scroll
  PgUp PgDn       go ten lines up, down
  Home End  g G   go to the first, the last line
  Tab, 1 to 5     go to a table: queues, running, replicas, failures, groups
  z               show only the chosen table, or all
  Enter           open the chosen queue, task, replica, failure or group
  Esc             end the filter, close the page
  /               show only lines that contain a text
  <  >  O         sort by the column to the left, the right; reverse the order
  ?  q            show the keys, quit

  p  r            pause, resume the queue; on the first line, after a question,
                  the whole pool
  s               stop the task, the live tasks of the queue, or those of a
                  failure's kind; on the first line those of the whole pool
  t               retry the task, or the failed tasks of the failure
  n  d            run the scheduled task now, drain the replica
  RUNNING 2/4     2 run, and the limit is 4; of a replica, which has 4 slots`

// Help returns the keys for the help of a command.
func Help() string { return help }

func helpLines() []string { return strings.Split(help, "\n") }

// keysHere lists the keys that do something now.
func (m *model) keysHere() string {
	switch {
	case m.typing:
		return "Enter keep the filter  Esc end it"
	case m.help:
		return "any key goes back"
	}
	var keys []string
	if m.page() != nil {
		keys = append(keys, "Esc back")
	} else {
		keys = append(keys, "q quit")
	}
	keys = append(keys, "? keys", "/ filter", "< > sort", "Enter open")
	if m.now.readOnly {
		keys = append(keys, "read-only user")
	} else if of := m.target(); of != nil && of.keys() != "" {
		keys = append(keys, of.keys())
	}
	return strings.Join(keys, "  ")
}
