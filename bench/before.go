package main

// before holds figures of the layout that schema 2 replaced. Each is the highest round of the last
// run with that layout. The rounds of that run differ by a third and more, so a figure that is not
// above its highest round is not worse. The recovery took 3.90 to 4.03 s in eleven runs.
var before = map[key]struct {
	value float64
	unit  string
}{
	{idleLabel + ", p50", "ltsworker"}:      {1.22, "ms"},
	{idleLabel + ", p99", "ltsworker"}:      {1.96, "ms"},
	{busyLabel + ", p50", "ltsworker"}:      {0.43, "ms"},
	{busyLabel + ", p99", "ltsworker"}:      {0.94, "ms"},
	{scheduledLabel + ", p50", "ltsworker"}: {1.53, "ms"},
	{scheduledLabel + ", p99", "ltsworker"}: {2.73, "ms"},
	{inboxLabel + ", p50", "ltsworker"}:     {1.58, "ms"},
	{inboxLabel + ", p99", "ltsworker"}:     {2.48, "ms"},
	{commandsLabel, "ltsworker"}:            {0.80, "commands/s"},
	{killLabel, killRow}:                    {4.1, "s"},
}
