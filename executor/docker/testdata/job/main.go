// Command job is the only program in the image of the tests.
package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	args := os.Args[1:]
	switch args[0] {
	case "payload": // prints the payload
		f, err := os.Open(os.Getenv("LTS_PAYLOAD_FILE"))
		check(err)
		_, err = io.Copy(os.Stdout, f)
		check(err)
	case "env": // prints the environment
		fmt.Println(strings.Join(os.Environ(), "\n"))
		dir, _ := os.Getwd()
		fmt.Println("dir="+dir, "uid="+strconv.Itoa(os.Getuid()))
		devices, err := os.ReadDir("/sys/class/net")
		check(err)
		for _, d := range devices {
			fmt.Println("device=" + d.Name())
		}
	case "exit": // CODE TEXT: ends with a status and a line on standard error
		fmt.Print("out")
		fmt.Fprintln(os.Stderr, "first line")
		fmt.Fprintln(os.Stderr, args[2])
		code, err := strconv.Atoi(args[1])
		check(err)
		os.Exit(code)
	case "fill": // N: prints N bytes
		n, err := strconv.Atoi(args[1])
		check(err)
		fmt.Print(strings.Repeat("é", n/2))
	case "eat": // uses memory until it is killed
		fmt.Fprintln(os.Stderr, "eating")
		var all [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = 1
			}
			all = append(all, b)
			_ = all
		}
	case "wait": // writes /go/started/N, waits for /go/end and ends: prints it, or with the status N if it is "exit N"
		signal.Ignore(syscall.SIGTERM)
		if len(args) > 1 { // ends at SIGTERM
			signal.Reset(syscall.SIGTERM)
			c := make(chan os.Signal, 1)
			signal.Notify(c, syscall.SIGTERM)
			go func() { <-c; fmt.Fprintln(os.Stderr, "asked to end"); os.Exit(3) }()
		}
		fmt.Fprintln(os.Stderr, "waiting")
		f, err := os.CreateTemp("/go/started", "")
		check(err)
		check(f.Close())
		for {
			if b, err := os.ReadFile("/go/end"); err == nil {
				var code int
				if _, err := fmt.Sscanf(string(b), "exit %d", &code); err == nil {
					os.Exit(code)
				}
				fmt.Print(string(b))
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
}
