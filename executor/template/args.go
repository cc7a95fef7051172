package template

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/ltsworker/ltsworker/task"
)

// Args are the program and the arguments of a command.
type Args []Template

// ParseArgs parses a program and its arguments. The error joins a *task.FieldError for
// every argument that cannot be used, whose field is that of the list with the index of
// the argument, such as command[2].
//
// The program must be constant. A prefix must not contain white space, because the text
// would then be more than one value of a command, for example a script. A prefix that
// begins with - must contain =, because the value could otherwise change the name of the
// option. The code of a shell or another interpreter, as in sh -c CODE, must be constant.
func ParseArgs(field string, args []string) (Args, error) {
	parsed := make(Args, len(args))
	var errs []error
	for i, arg := range args {
		t, err := Parse(arg)
		if err == nil {
			err = checkArg(args, i, t)
		}
		if err != nil {
			errs = append(errs, &task.FieldError{Field: field + "[" + strconv.Itoa(i) + "]", Msg: err.Error()})
		}
		parsed[i] = t
	}
	return parsed, errors.Join(errs...)
}

func checkArg(args []string, i int, t Template) error {
	switch prefix, constant := t.Constant(); {
	case constant:
		return nil
	case i == 0:
		return errors.New("is the program, which must not be a template: a task may not choose the program")
	case strings.ContainsFunc(prefix, unicode.IsSpace):
		return fmt.Errorf("must not have white space before %v: give the value an argument of its own", t)
	case strings.HasPrefix(prefix, "-") && !strings.Contains(prefix, "="):
		return fmt.Errorf("must have = between the option and %v, or the value could change the option: write --name=%v, or give the value an argument of its own", t, t)
	case isCode(args, i, prefix):
		return fmt.Errorf(`is code of an interpreter, which must not be a template: pass the value behind the code, as in [sh, -c, 'cut "$1"', sh, %q]`, t.String())
	}
	return nil
}

var (
	interpreter = regexp.MustCompile(`(?i)^((|ba|da|a|z|k|mk|c|tc|fi|pw)sh|powershell|cmd|python[0-9.]*|perl[0-9.]*|ruby[0-9.]*|node(js)?|php[0-9.]*|lua[0-9.]*)(\.exe)?$`)
	// codeOption matches an option whose value is code.
	codeOption = regexp.MustCompile(`^(-[a-zA-Z]*[ceEpr]|/[cCkK]|(?i:--?(command|eval|print|run))=?)$`)
	// valueOption matches an option that is followed by its value, such as -o pipefail.
	valueOption = regexp.MustCompile(`^[-+][a-zA-Z]*[oOIWX]$`)
)

// isCode reports whether args[i] is code of an interpreter before it: whether only options
// are between them, one of which is a codeOption.
func isCode(args []string, i int, prefix string) bool {
	for k, name := range args[:i] {
		if !interpreter.MatchString(path.Base(strings.ReplaceAll(name, `\`, "/"))) {
			continue
		}
		code, isValue, onlyOptions := codeOption.MatchString(prefix), false, true
		for _, arg := range args[k+1 : i] {
			code = code || codeOption.MatchString(arg)
			onlyOptions = onlyOptions && (isValue || strings.HasPrefix(arg, "-") || codeOption.MatchString(arg))
			isValue = valueOption.MatchString(arg)
		}
		if code && onlyOptions {
			return true
		}
	}
	return false
}

// Constant reports whether no argument has a value.
func (a Args) Constant() bool {
	return !slices.ContainsFunc(a, func(t Template) bool { return t.hole != nil })
}

// Fill returns the arguments, as many as the templates. A value of the task that begins
// with - is refused if it has no prefix and no argument before it is --: a program would
// take it as an option.
func (a Args) Fill(v *Values) ([]string, error) {
	args := make([]string, len(a))
	noOptions := false
	for i, t := range a {
		value, given, err := t.fill(v)
		if err == nil && given && !noOptions && t.prefix == "" && strings.HasPrefix(value, "-") {
			err = t.refuse("must not begin with -, because the command would take it as an option")
		}
		if err != nil {
			return nil, err
		}
		args[i] = t.prefix + value
		noOptions = noOptions || t.hole == nil && t.prefix == "--"
	}
	return args, nil
}
