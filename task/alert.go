package task

import "time"

// AlertRecords is what a store keeps of the alert rules of a pool: see package alert. The store
// does not read the values.
type AlertRecords struct {
	Fields   map[string]string // the state of the rules
	Silences map[string]string // by id
	Rules    map[string]string // the stored rules, by name
	Owner    string            // the process that runs the rules; "" for none
	Now      time.Time         // by the store's clock
}

// AlertWrite is a change of the records, all in one step. Nil parts change nothing.
type AlertWrite struct {
	Set      map[string]string // fields and their values
	Remove   []string          // fields
	Unsilent []string          // ids of silences to remove
	// Notices are appended to the queue of their receiver.
	Notices []AlertNotice
	// Taken is how many notices are removed from the head of the queue of a receiver.
	Taken map[string]int
	// Counted is subtracted from the overflow of the queue of a receiver.
	Counted map[string]map[string]int64
	// Sending is the message that a receiver gets next, by receiver; "" removes it.
	Sending map[string]string
	Log     []AlertLogEntry
}

// AlertRuleChange returns the new text of a stored rule and the entry of the history about the change, or
// why the rule must not be changed. rules are the stored rules by name, and now is the time by the
// store's clock.
type AlertRuleChange func(rules map[string]string, now time.Time) (text string, entry AlertLogEntry, err error)

// AlertNotice is a notice for the queue of a receiver.
type AlertNotice struct {
	Receiver string
	Text     string
	// Count is what is counted if the queue is full. The text is dropped then.
	Count string
	// Only adds so many to the count, without a notice. 0 for a notice.
	Only int
}

// MaxAlertNotices is how many notices the queue of a receiver holds.
const MaxAlertNotices = 500

// AlertQueue is the queue of a receiver.
type AlertQueue struct {
	Notices  []string         // the oldest first
	Overflow map[string]int64 // how many notices were dropped because the queue was full, by their Count
	Sending  string           // the message that was composed and not acknowledged; "" for none
}

// AlertLogEntry is an entry of the history of messages and silences.
type AlertLogEntry struct {
	ID       string    // its position; set by the store
	At       time.Time // by the store's clock; set by the store
	What     string    // sent, failed, dropped, silence …
	Receiver string    // "" for none
	Message  string    // the id of the message; "" for none
	Text     string
	Error    string
	Alerts   int // in the message
	Tries    int
}
