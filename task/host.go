package task

import "strings"

// Host is where a replica runs, or ran until it left.
type Host struct {
	Name string // host name, as the operating system reports it
	// IP is the address from which the replica opens connections to Redis, as its own machine or
	// container sees it: "" if it is unknown, as with a Unix socket. Behind network address
	// translation, Redis sees another one. 127.0.0.1 or ::1 means that Redis, or a proxy for it,
	// runs on the same host.
	IP      string
	PID     int
	Version string // of the program, as worker.Config has it
}

// String returns the name and the IP address, as far as they are known: "web-1, 10.0.0.7".
func (h Host) String() string {
	return strings.Join(strings.FieldsFunc(h.Name+"\x00"+h.IP, func(r rune) bool { return r == 0 }), ", ")
}
