package top

import "strings"

// help lists the keys. The command's help and the page behind "?" show it.
const help = `  ↑ ↓  k j        go to a line; in a page also scroll
  PgUp PgDn       go ten lines up, down
  Home End  g G   go to the first, the last line
  Tab, 1 to 5     go to a table: queues, running tasks, replicas, failures,
                  groups
  z               show only the chosen table, or all
  Enter           open the chosen queue, task, replica, failure or group
  Esc             end the filter, close the page
  /               show only lines that contain a text
  o  O            sort by the next column, turn the order round
  ?               show the keys
  q               quit

  p  r            pause, resume the queue; on the first line the whole pool
  s               stop the task, the live tasks of the queue, or those of a
                  failure's kind; on the first line those of the whole pool
  t               retry the task, or the failed tasks of the failure
  n  d            run the scheduled task now, drain the replica`

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
	keys = append(keys, "? keys", "/ filter", "o sort", "Enter open")
	if of := m.target(); of != nil && of.keys() != "" {
		keys = append(keys, of.keys())
	}
	return strings.Join(keys, "  ")
}
