// Render is the program in the image of the example. It reads {"frames": N} from the file
// that LTS_PAYLOAD_FILE names, and takes a tenth of a second per frame.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

func main() {
	var payload struct {
		Frames int `json:"frames"`
	}
	data, err := os.ReadFile(os.Getenv("LTS_PAYLOAD_FILE"))
	if err == nil {
		err = json.Unmarshal(data, &payload)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the payload must be {\"frames\": N}")
		os.Exit(65) // the task fails without a retry
	}
	for n := 1; n <= payload.Frames; n++ {
		time.Sleep(time.Second / 10)
		fmt.Fprintln(os.Stderr, "frame", n) // the log of the attempt
	}
	fmt.Printf("{\"rendered\": %d}", payload.Frames) // the result of the task
}
