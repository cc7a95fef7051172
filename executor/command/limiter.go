package command

import "encoding/json"

// settings are what a limiter sets before it becomes the command.
type settings struct {
	Umask  int // -1 to keep it
	Limits []rlimit
}

// limiterSettings returns the settings as the limiter reads them, "" if the command needs
// no limiter.
func limiterSettings(umask int, limits []rlimit) (string, error) {
	if umask < 0 && len(limits) == 0 {
		return "", nil
	}
	b, err := json.Marshal(settings{umask, limits})
	return string(b), err
}
