package health

import (
	"fmt"
	"net"

	"github.com/ltsworker/ltsworker/internal/terminal"
)

// CheckAddress returns what is wrong with the address of a health endpoint.
func CheckAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("must be HOST:PORT or :PORT, such as 127.0.0.1:8080, not %s", terminal.Quoted(address))
	}
	return nil
}
