package pool

import (
	"reflect"
	"testing"

	"github.com/ltsworker/ltsworker/worker"
)

// TestReplicaGetsEveryFieldOfItsConfig sets every field of Config that package worker has too, and
// fails for a field that the replica does not get.
func TestReplicaGetsEveryFieldOfItsConfig(t *testing.T) {
	var c Config
	engine := reflect.TypeFor[worker.Config]()
	for i := range engine.NumField() {
		name := engine.Field(i).Name
		if name == "Triggers" || name == "TriggerEntries" {
			continue // New makes them
		}
		f := reflect.ValueOf(&c).Elem().FieldByName(name)
		if !f.IsValid() {
			t.Errorf("pool.Config has no field %s", name)
			continue
		}
		setSome(t, name, f)
	}
	got := c.replica()
	for i := range engine.NumField() {
		if name := engine.Field(i).Name; name != "Triggers" && name != "TriggerEntries" && reflect.ValueOf(got).Field(i).IsZero() {
			t.Errorf("the replica does not get %s", engine.Field(i).Name)
		}
	}
}

// setSome sets a field to a value that is not zero.
func setSome(t *testing.T, name string, f reflect.Value) {
	t.Helper()
	switch f.Kind() {
	case reflect.Int, reflect.Int64:
		f.SetInt(1)
	case reflect.String:
		f.SetString("x")
	case reflect.Map:
		f.Set(reflect.MakeMap(f.Type()))
	case reflect.Slice:
		f.Set(reflect.MakeSlice(f.Type(), 1, 1))
	case reflect.Pointer:
		f.Set(reflect.New(f.Type().Elem()))
	case reflect.Bool:
		f.SetBool(true)
	case reflect.Interface:
		if f.Type() != reflect.TypeFor[Tracer]() {
			t.Fatalf("the test cannot set %s, a %v", name, f.Type())
		}
		f.Set(reflect.ValueOf(struct{ Tracer }{}))
	case reflect.Func:
		f.Set(reflect.MakeFunc(f.Type(), func([]reflect.Value) []reflect.Value { return nil }))
	case reflect.Struct:
		setSome(t, name, f.Field(0))
	default:
		t.Fatalf("the test cannot set %s, a %v", name, f.Type())
	}
}
