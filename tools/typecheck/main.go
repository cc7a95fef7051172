// Command typecheck checks the types of all packages of a module as they are on other systems. It compiles nothing. A
// build for another system would first compile the standard library for it, which takes minutes.
//
//	typecheck DIR GOOS/GOARCH...
package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	failed := false
	for _, platform := range os.Args[2:] {
		goos, goarch, _ := strings.Cut(platform, "/")
		found, err := packages.Load(&packages.Config{
			Dir:  os.Args[1],
			Mode: packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedDeps | packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo,
			Env:  append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0"),
		}, "./...")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		fmt.Printf("%s: %d packages\n", platform, len(found))
		failed = packages.PrintErrors(found) > 0 || failed
	}
	if failed {
		os.Exit(1)
	}
}
