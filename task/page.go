package task

// PageQuery asks for a page of the scheduled, the waiting or the ended tasks of a state.
type PageQuery struct {
	State  State
	Kinds  []string // these fields select as those of Filter do
	Queues []string
	Groups []string
	Labels []string
	Hold   bool
	// Reverse lists the tasks in the reverse of the order that Page has for the state. All pages of a
	// list need the same value.
	Reverse bool
	// Match is called for tasks that the other fields select; nil accepts all. The tasks have
	// a payload and a result only if Whole is set.
	Match func(*Task) bool
	Whole bool
	// After is Page.Next of the page before; "" asks for the first page.
	After string
	// Limit is how many tasks the page has at most, and Budget how many index entries are
	// read for it, from all indexes together: no more are read when that many were. The last
	// read is of at most 500 entries. 0 means 50 and 2,000.
	Limit, Budget int
}

// Page is a part of the tasks of a state.
//
// Scheduled tasks are in the order in which they are due. Ended tasks are in the order of the
// time until which they are kept, the longest first. With one retention these are the tasks that
// ended last. Waiting tasks are in three parts: first those that a limit or a rate of their
// group, or a limit of their kind, keeps back, then those with labels, then the others. In each
// part they are queue by queue, in the order of the names. In the first part they are by the
// name of the group and then by position, in the others by position. Tasks at one time or
// position are by id; ended tasks are in the reverse order of the ids.
//
// A task whose place in this order stays the same from the first to the last page is on exactly
// one of them. A task whose place changes meanwhile, such as one that is retried, is on one of
// them, on several or on none. It does not affect the other tasks: Next continues after the place
// that the last task of the page had, also if that task has changed or was deleted since. Tasks
// that are added behind that place are on a later page.
type Page struct {
	Tasks []*Task
	// Next asks for the next page; "" if this is the last one. A page that has used up its budget
	// may have no tasks and still a Next.
	Next string
	Read int // index entries that were read
}
