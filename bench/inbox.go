package main

const inboxLabel = "through the inbox by RPUSH, 20 tasks/s"

// inbox measures the way of a task that any program pushes with plain RPUSH.
func inbox(b *bench) error {
	for _, s := range b.chosen("ours") {
		if err := b.paced(inboxLabel, s, env{Inbox: true}, 20, b.sizes.calm, 0); err != nil {
			return err
		}
	}
	return nil
}
