// Package alert evaluates rules on the state and the events of a pool and sends messages when a
// rule begins or stops to apply.
//
//	r, err := alert.New(store, alert.Options{
//		Rules:     alert.DefaultRules(),
//		Receivers: map[string]alert.Receiver{"ops": {Channel: ops}},
//	})
//	err = r.Run(ctx)
//
// Package webhook has the channels over HTTP (signed webhooks, DingTalk, WeCom, Feishu,
// Alertmanager), package mail that for mail. This package imports neither.
//
// Any number of processes may run the rules of a pool. One of them does at a time: it has a lease
// in the store. What it knows is in the store as well, so that the next one neither repeats nor
// loses a message. It makes a bounded number of calls to the store in each interval.
//
// A rule has one alert for each set of labels, such as each queue. An alert is pending until the
// rule has applied for Rule.For, then it fires, and it ends when the rule has not applied for
// Rule.Keep. Both are announced to the receivers of the rule, and a firing alert again after
// Rule.Repeat. All notices for a receiver that are due at the same time are one message. A
// receiver takes only so many messages; while it takes none, notices wait in the store and make
// one message, with a count of those that do not fit.
//
// A message is sent at least once. It keeps its ID when it is sent again.
package alert
