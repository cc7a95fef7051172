package access

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

const longEnough = "correct horse battery"

func TestLinesOfAPasswordFileAreParsedStrictly(t *testing.T) {
	ok := line("alice", "*=viewer", "secret")
	name, rest, _ := strings.Cut(ok, " ")
	roles, hash, _ := strings.Cut(rest, " ")
	if r, err := parseFile([]byte("# users\n\n" + ok + " must-change\n" + line("bob", "p=admin", "x"))); err != nil || len(r.accounts) != 2 || !r.byName["alice"].mustChange || r.byName["bob"].mustChange {
		t.Errorf("%+v %v", r, err)
	}
	for text, want := range map[string]string{
		"":                                    "has no user",
		"# nobody\n":                          "has no user",
		ok + "\n" + ok:                        `line 2 has the user "alice" a second time`,
		name + " " + hash:                     "line 1 must be NAME ROLES HASH",
		ok + " must-change x":                 "line 1 must be NAME ROLES HASH",
		name + "  " + roles + " " + hash:      "line 1 has a wrong last field",
		" " + ok:                              "line 1 has a wrong last field",
		ok + " ":                              "line 1 has a wrong last field",
		ok + " change":                        "line 1 has a wrong last field",
		ok + "\r\n":                           "line 1 has a wrong hash",
		"a,b " + rest:                         "line 1 has a wrong name",
		name + " admin " + hash:               "line 1 has wrong roles",
		name + " *=root " + hash:              "line 1 has wrong roles",
		name + " " + roles + " secret":        "line 1 has a wrong hash",
		"\xff " + rest:                        "must be UTF-8",
		strings.Repeat("#\n", maxFile/2) + ok: "is longer than",
	} {
		if _, err := parseFile([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		} else if strings.Contains(err.Error(), "argon2id$v=19$m=19456,t=2,p=1$c") {
			t.Errorf("the error has the hash: %v", err)
		}
	}
}

func TestPasswordFileForOthersIsRefused(t *testing.T) {
	path := passwordFile(t, line("alice", "*=viewer", "x"))
	log := slog.New(slog.DiscardHandler)
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o602, 0o610} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := New(Options{PasswordFile: path, Log: log}); err == nil || !strings.Contains(err.Error(), "set it to 0600") {
			t.Errorf("mode %o: %v", mode, err)
		}
		if err := RemoveUser(path, "alice"); err == nil || !strings.Contains(err.Error(), "set it to 0600") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if _, err := readFile(filepath.Dir(path)); err == nil {
		t.Error("a directory is accepted")
	}
}

func TestFirstStartMakesAPasswordThatMustBeChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console.users")
	password, err := FirstStart(path)
	if err != nil || len(password) < 26 {
		t.Fatalf("%q %v", password, err)
	}
	text, _ := os.ReadFile(path)
	if strings.Contains(string(text), password) {
		t.Error("the file has the password")
	}
	users, err := Users(path)
	if diff := cmp.Diff([]Account{{Name: "admin", Roles: map[string]Role{AllPools: Admin}, MustChange: true}}, users); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	r, err := readFile(path) // it checks the mode
	if err != nil {
		t.Fatal(err)
	}
	if same, _ := newHasher().verify(t.Context(), r.byName["admin"].digest, password); !same {
		t.Error("the password is another")
	}
	if again, err := FirstStart(path); again != "" || err != nil {
		t.Errorf("second start: %q %v", again, err)
	}
	if now, _ := os.ReadFile(path); string(now) != string(text) {
		t.Error("the second start has changed the file")
	}
	other, err := FirstStart(filepath.Join(t.TempDir(), "users"))
	if other == password || err != nil {
		t.Errorf("the password is not random: %q %v", other, err)
	}
	if p, err := FirstStart(filepath.Join(t.TempDir(), "no", "users")); p != "" || err == nil {
		t.Errorf("without a directory: %q %v", p, err)
	}
}

func TestEditsKeepEverythingElse(t *testing.T) {
	bob := line("bob", "*=viewer", "x")
	path := passwordFile(t, "# people", line("alice", "*=viewer", "x"), "", bob, "# end")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := SetUser(link, Account{Name: "alice", Roles: map[string]Role{"p": Operator}}); err != nil {
		t.Fatal(err)
	}
	if err := AddUser(link, Account{Name: "al", Roles: map[string]Role{AllPools: None}, Password: longEnough, MustChange: true}); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(path)
	lines := strings.Split(string(text), "\n")
	if len(lines) != 7 || lines[0] != "# people" || lines[1] != strings.Replace(line("alice", "*=viewer", "x"), "*=viewer", "p=operator", 1) ||
		lines[2] != "" || lines[3] != bob || lines[4] != "# end" || !strings.HasPrefix(lines[5], "al *=none $argon2id$") || !strings.HasSuffix(lines[5], " must-change") {
		t.Errorf("%s", text)
	}
	if err := RemoveUser(link, "al"); err != nil {
		t.Fatal(err)
	}
	if users, err := Users(path); err != nil || len(users) != 2 || users[0].Name != "alice" || users[0].Roles["p"] != Operator {
		t.Errorf("%v %v", users, err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("files are left: %v", entries)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Error(info.Mode())
	}
}

func TestWrongEditsChangeNothing(t *testing.T) {
	path := passwordFile(t, line("alice", "*=viewer", "x"))
	before, _ := os.ReadFile(path)
	viewer := map[string]Role{AllPools: Viewer}
	for name, tt := range map[string]struct {
		err  error
		want any
	}{
		"exists":       {AddUser(path, Account{Name: "alice", Roles: viewer, Password: longEnough}), ErrUserExists},
		"unknown":      {SetUser(path, Account{Name: "bob", Roles: viewer}), ErrNoUser},
		"not there":    {RemoveUser(path, "bob"), ErrNoUser},
		"last":         {RemoveUser(path, "alice"), ErrLastUser},
		"name":         {AddUser(path, Account{Name: "a b", Roles: viewer, Password: longEnough}), "name"},
		"new line":     {AddUser(path, Account{Name: "a\nb", Roles: viewer, Password: longEnough}), "name"},
		"no role":      {AddUser(path, Account{Name: "bob", Password: longEnough}), "roles"},
		"wrong pool":   {AddUser(path, Account{Name: "bob", Roles: map[string]Role{"a b": Viewer}, Password: longEnough}), "roles.a b"},
		"wrong role":   {SetUser(path, Account{Name: "alice", Roles: map[string]Role{"p": 7}}), "roles.p"},
		"no password":  {AddUser(path, Account{Name: "bob", Roles: viewer}), "password"},
		"short":        {SetUser(path, Account{Name: "alice", Password: strings.Repeat("é", MinPassword-1)}), "password"},
		"long":         {SetUser(path, Account{Name: "alice", Password: strings.Repeat("x", maxPassword+1)}), "password"},
		"lines":        {SetUser(path, Account{Name: "alice", Password: longEnough + "\n"}), "password"},
		"no such file": {SetUser(path+"x", Account{Name: "alice", Roles: viewer}), fs.ErrNotExist},
	} {
		var field *task.FieldError
		switch want := tt.want.(type) {
		case error:
			if !errors.Is(tt.err, want) {
				t.Errorf("%s: %v", name, tt.err)
			}
		case string:
			if !errors.As(tt.err, &field) || field.Field != want {
				t.Errorf("%s: %v", name, tt.err)
			}
		}
	}
	if now, _ := os.ReadFile(path); string(now) != string(before) {
		t.Errorf("%s", now)
	}
}

func TestConcurrentEditsAreAllKept(t *testing.T) {
	path := passwordFile(t, line("alice", "*=viewer", "x"))
	var edits sync.WaitGroup
	for _, name := range []string{"b", "c", "d", "e", "f", "g", "h", "i"} {
		edits.Go(func() {
			err := edit(path, func(r *record) error {
				a := *r.byName["alice"]
				a.name = name
				r.set(&a)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	edits.Wait()
	if users, err := Users(path); len(users) != 9 || err != nil {
		t.Errorf("%d users, want 9: %v", len(users), err)
	}
}
