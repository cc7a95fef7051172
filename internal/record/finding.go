package record

import "github.com/ltsworker/ltsworker/pool"

// Finding is a finding in JSON output.
type Finding struct {
	Severity pool.Severity `json:"severity"`
	Check    string        `json:"check"`
	Code     string        `json:"code,omitempty"`
	Key      string        `json:"key,omitempty"`
	Task     string        `json:"task,omitempty"`
	What     string        `json:"what"`
	Do       string        `json:"do,omitempty"`
	Fixed    string        `json:"fixed,omitempty"`

	Figures map[string]float64 `json:"figures,omitempty"`
	Values  map[string]string  `json:"values,omitempty"`
}

// OfFinding returns the record of a finding.
func OfFinding(f pool.Finding) Finding {
	return Finding{Severity: f.Severity, Check: f.Check, Code: f.Code, Key: f.Key, Task: f.Task, What: f.What, Do: f.Do, Fixed: f.Fixed, Figures: f.Figures, Values: f.Values}
}
