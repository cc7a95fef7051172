// Package alert evaluates rules on the state and the events of a pool. It sends messages when a
// rule starts to apply and when it no longer applies.
//
//	r, err := alert.New(store, alert.Options{
//		Rules:     alert.DefaultRules(),
//		Receivers: map[string]alert.Receiver{"ops": {Channel: ops}},
//	})
//	err = r.Run(ctx) // until ctx ends
//
// Package webhook has the channels over HTTP (signed webhooks, DingTalk, WeCom, Feishu,
// Alertmanager), package mail that for mail. This package imports neither.
//
// Any number of processes may run the rules of a pool. One of them evaluates the rules at a time:
// it holds a lease in the store. Its state is in the store as well, so that no message is lost when
// another process takes over. An evaluation makes a bounded number of calls to the store.
//
// Rules are in the Options, or stored by SetRule, from where the process that evaluates the rules
// reads them with each evaluation.
//
// A rule has one alert for each set of labels, such as each queue. An alert is pending until the
// rule has applied for Rule.For. Then it fires. It ends when the rule has not applied for
// Rule.Keep. Both are announced to the receivers of the rule. A firing alert is announced again
// after Rule.Repeat. All notices for a receiver that are due at the same time make one message.
// While the pace of a receiver allows no message, its notices wait in the store. They make the
// next message, with a count of those that do not fit.
//
// A message is sent at least once. It keeps its ID when it is sent again.
package alert
