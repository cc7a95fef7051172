package task

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// reportFields are the fields that a report may have as JSON.
var reportFields = []string{"token", "state", "result", "result_text", "error", "permanent", "delay_ms", "progress"}

// ParseReport reads a report from outside: a JSON object in UTF-8 with the fields in
// docs/reports.md. The result and the progress are parts of entry, byte for byte. It
// returns the token even if another field is wrong; "" for none. The error says what is
// wrong and has no text of the entry, because that may be a token.
func ParseReport(entry []byte) (token string, r OutsideReport, err error) {
	if !utf8.Valid(entry) {
		return "", r, errors.New("must be valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(entry))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return "", r, errors.New(`must be a JSON object such as {"token":"…","state":"succeeded"}`)
	}
	p := reportParser{r: &r}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return p.token, r, errNotJSON
		}
		name, _ := t.(string)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return p.token, r, errNotJSON
		}
		if slices.Contains(p.seen, name) {
			p.add("report", "a field is given twice")
			break
		}
		p.seen = append(p.seen, name)
		end := int(dec.InputOffset())
		p.field(name, entry[end-len(value):end:end])
		if len(p.errs) > 0 && p.errs[len(p.errs)-1] == errUnknownField {
			break
		}
	}
	if len(p.errs) == 0 {
		if _, err := dec.Token(); err != nil {
			return p.token, r, errNotJSON
		}
		if _, err := dec.Token(); err != io.EOF {
			return p.token, r, errors.New("has something after its JSON object")
		}
	}
	if len(p.errs) == 0 {
		if err := r.Check(); err != nil {
			p.errs = append(p.errs, err)
		}
	}
	return p.token, r, errors.Join(p.errs...)
}

var (
	errNotJSON      = errors.New("is not valid JSON")
	errUnknownField = fmt.Errorf("has a field that a report has not; the fields are %s", strings.Join(reportFields, " "))
)

// reportParser sets the fields of a report and collects the errors.
type reportParser struct {
	r     *OutsideReport
	token string
	seen  []string
	errs  []error
}

func (p *reportParser) add(field, msg string) {
	p.errs = append(p.errs, &FieldError{Field: field, Msg: msg})
}

func (p *reportParser) text(name string, v json.RawMessage, to *string) {
	if v[0] != '"' || json.Unmarshal(v, to) != nil {
		p.add(name, "must be a string")
	}
}

func (p *reportParser) field(name string, v json.RawMessage) {
	r := p.r
	switch name {
	case "token":
		p.text(name, v, &p.token)
	case "state":
		var state string
		p.text(name, v, &state)
		r.State = ReportState(state)
	case "result":
		if r.Result != nil {
			p.add(name, "must not be given together with result_text")
		} else if string(v) != "null" {
			r.Result = v
		}
	case "result_text":
		var text string
		p.text(name, v, &text)
		if r.Result != nil {
			p.add(name, "must not be given together with result")
		}
		r.Result = []byte(text)
	case "error":
		p.text(name, v, &r.Error)
	case "permanent":
		if r.Permanent = string(v) == "true"; !r.Permanent && string(v) != "false" {
			p.add(name, "must be true or false")
		}
	case "delay_ms":
		n, err := strconv.ParseInt(string(v), 10, 64)
		if err != nil || n < 0 || n > MaxDuration.Milliseconds() {
			p.add(name, fmt.Sprintf("must be a whole number from 0 to %d", MaxDuration.Milliseconds()))
			return
		}
		r.Delay, r.DelaySet = time.Duration(n)*time.Millisecond, true
	case "progress":
		r.Progress = v
	default:
		p.errs = append(p.errs, errUnknownField)
	}
}
