package task

import "time"

// Outage is a time in which the calls to a server that tasks need fail.
type Outage struct {
	Of    string    // what does not answer, such as "exporter of video.cut"
	Since time.Time // when the first call failed
	Error string    // of the latest failed call
}

// MaxOutages is how many outages a replica publishes at most.
const MaxOutages = 10
