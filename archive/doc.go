// Package archive copies the ended tasks of a pool, their attempts and their events into
// an SQL database, where they can be queried after Redis has removed them. The database
// is SQLite in one file or PostgreSQL.
//
//	db, err := archive.Open(ctx, "tasks.db")
//	a, err := archive.New(db, redisstore.New(rdb, "media"), archive.Config{Pool: "media"})
//	err = a.Run(ctx)                                          // until ctx ends
//	page, err := db.Tasks(ctx, archive.Filter{Pool: "media"}) // at the same time, from any process
//
// An Archiver follows the event stream of the pool. It writes the rows of a page of
// events and the position in the stream in one transaction, so each event becomes rows
// exactly once. See docs/archive.md.
package archive
