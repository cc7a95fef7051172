package main

const inboxLabel = "through the inbox by RPUSH, 20 tasks/s"

// inbox measures how long a task takes that another program pushes with plain RPUSH.
func inbox(b *bench) error {
	if !b.systems["ours"] {
		return nil
	}
	return b.paced(inboxLabel, variant{"ours", names["ours"], env{Inbox: true}}, 20, b.sizes.calm, 0)
}
