package task

// PageQuery asks for a page of the scheduled, the waiting or the ended tasks of a state.
type PageQuery struct {
	State  State
	Kinds  []string // these fields select as those of Filter do
	Queues []string
	Groups []string
	Labels []string
	Hold   bool
	// Match is called for tasks that the other fields select; nil accepts all. The tasks have
	// a payload and a result only if Whole is set.
	Match func(*Task) bool
	Whole bool
	// After is Page.Next of the page before; "" asks for the first page.
	After string
	// Limit is how many tasks the page has at most, and Budget how many index entries are
	// read for it at most, rounded up to pages of 500. 0 means 50 and 2,000.
	Limit, Budget int
}

// Page is a part of the tasks of a state. Tasks that begin to wait in the order of the
// state: scheduled tasks by the time when they are due, waiting tasks queue by queue in the
// order of their positions, ended tasks by how long they are kept, the longest first. With one
// retention these are the tasks that ended last.
type Page struct {
	Tasks []*Task
	Next  string // asks for the next page; "" for none
	Read  int    // index entries that were read
}
