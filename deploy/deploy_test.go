// Package deploy checks the files of this folder with the libraries of the
// programs that read them. It is a separate module because these libraries are
// large.
package deploy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	kyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// kinds are the object kinds that the manifests may contain.
var kinds = map[string]func() any{
	"v1 ConfigMap":                  func() any { return new(corev1.ConfigMap) },
	"apps/v1 Deployment":            func() any { return new(appsv1.Deployment) },
	"policy/v1 PodDisruptionBudget": func() any { return new(policyv1.PodDisruptionBudget) },
	"v1 Service":                    func() any { return new(corev1.Service) },
	"keda.sh/v1alpha1 ScaledObject": func() any { return new(scaledObject) },
}

// manifests decodes every document strictly: an unknown or a repeated field is
// an error.
func manifests(t *testing.T) []any {
	t.Helper()
	files, err := filepath.Glob("kubernetes/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatal("manifests: ", files, err)
	}
	var all []any
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		docs := kyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(b)))
		for {
			doc, err := docs.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(f, ": ", err)
			}
			var head struct{ APIVersion, Kind string }
			if err := yaml.Unmarshal(doc, &head); err != nil {
				t.Fatal(f, ": ", err)
			}
			made := kinds[head.APIVersion+" "+head.Kind]
			if made == nil {
				t.Fatalf("%s: %s %s is not one of the kinds that are checked", f, head.APIVersion, head.Kind)
			}
			object := made()
			if err := yaml.UnmarshalStrict(doc, object); err != nil {
				t.Errorf("%s: %s: %v", f, head.Kind, err)
			}
			all = append(all, object)
		}
	}
	return all
}

func TestManifestsAreStrictlyValid(t *testing.T) {
	if n := len(manifests(t)); n != len(kinds) {
		t.Errorf("%d objects, want %d", n, len(kinds))
	}
}

func TestPodsHaveTimeToDrain(t *testing.T) {
	for _, o := range manifests(t) {
		d, ok := o.(*appsv1.Deployment)
		if !ok {
			continue
		}
		pod := d.Spec.Template.Spec
		if g := pod.TerminationGracePeriodSeconds; g == nil || *g <= 40 { // 30 s to drain, 10 s of grace
			t.Error("the grace period is ", g)
		}
		c := pod.Containers[0]
		if c.LivenessProbe == nil || c.LivenessProbe.HTTPGet.Path != "/live" || c.ReadinessProbe == nil || c.ReadinessProbe.HTTPGet.Path != "/ready" {
			t.Errorf("probes %v %v", c.LivenessProbe, c.ReadinessProbe)
		}
		return
	}
	t.Error("no deployment")
}

// Every user of the machine can read a command line, and the shell keeps it in
// its history.
func TestSecretIsMadeFromAFileWithTheKeyThatThePodReads(t *testing.T) {
	var secret *corev1.SecretKeySelector
	for _, o := range manifests(t) {
		if d, ok := o.(*appsv1.Deployment); ok {
			for _, e := range d.Spec.Template.Spec.Containers[0].Env {
				if e.Name == "LTS_REDIS" && e.ValueFrom != nil {
					secret = e.ValueFrom.SecretKeyRef
				}
			}
		}
	}
	if secret == nil {
		t.Fatal("LTS_REDIS does not come from a secret")
	}
	b, err := os.ReadFile("kubernetes/worker.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\n# kubectl create secret generic " + secret.Name + " --from-env-file=redis.env\n",
		"\n#   " + secret.Key + "=redis://user:password@",
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the manifest does not say %q", want)
		}
	}
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal("pages: ", pages, err)
	}
	pages = append(pages, "../README.md", "../SECURITY.md", "kubernetes/worker.yaml", "kubernetes/autoscale.yaml",
		"alerts.yaml", "compose.yaml", "Dockerfile", "ltsworker.service", "prometheus.yaml", "worker.yaml")
	for _, page := range pages {
		if b, err := os.ReadFile(page); err != nil || strings.Contains(string(b), "--from-literal") {
			t.Errorf("%s has a secret on a command line, or %v", page, err)
		}
	}
}

func TestComposeFileIsValid(t *testing.T) {
	o, err := cli.NewProjectOptions([]string{"compose.yaml"}, cli.WithName("ltsworker"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w, err := p.GetService("worker")
	if err != nil || w.StopGracePeriod == nil || w.Environment["LTS_REDIS"] == nil {
		t.Errorf("worker %+v, %v", w, err)
	}
}

// setting returns the values of a name in a section of the unit.
func setting(t *testing.T, section, name string) (values []string) {
	t.Helper()
	unit, err := os.ReadFile("ltsworker.service")
	if err != nil {
		t.Fatal(err)
	}
	in := ""
	for line := range strings.Lines(string(unit)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			in = strings.Trim(line, "[]")
		} else if n, v, ok := strings.Cut(line, "="); ok && in == section && n == name {
			values = append(values, v)
		}
	}
	return values
}

// systemd must restart the replica however long Redis is unreachable.
func TestUnitIsStartedAgainHoweverOftenItFails(t *testing.T) {
	for _, want := range []struct{ section, name, value string }{
		{"Unit", "StartLimitIntervalSec", "0"},
		{"Service", "Restart", "always"},
	} {
		if got := setting(t, want.section, want.name); !slices.Equal(got, []string{want.value}) {
			t.Errorf("%s of [%s] is %q, want %q", want.name, want.section, got, want.value)
		}
	}
	// Go ends with status 2 after a panic and after the SIGABRT of the watchdog.
	if got := setting(t, "Service", "RestartPreventExitStatus"); got != nil {
		t.Errorf("systemd does not restart the replica after the exit status %q", got)
	}
}
