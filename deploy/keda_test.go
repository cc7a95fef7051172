package deploy

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/kedacore/keda/v2/version"
	"github.com/santhosh-tekuri/jsonschema/v6"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// scaledObject is an object of KEDA. Its types are not used, because they need the whole of KEDA:
// the schema that KEDA installs checks the object.
type scaledObject struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	Spec       map[string]any `json:"spec"`
}

// ofKEDA reads a file of the module of KEDA.
func ofKEDA(t *testing.T, file string) []byte {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/kedacore/keda/v2").Output()
	if err != nil || version.Version == "" {
		t.Fatal("the module of KEDA: ", err)
	}
	b, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), file))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// schema returns the schema of ScaledObject. Unlike Kubernetes, which drops unknown fields, it
// refuses them.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct{ OpenAPIV3Schema map[string]any }
			}
		}
	}
	if err := yaml.Unmarshal(ofKEDA(t, "config/crd/bases/keda.sh_scaledobjects.yaml"), &crd); err != nil || len(crd.Spec.Versions) != 1 {
		t.Fatal("the schema of KEDA: ", err)
	}
	root := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
	closeObjects(root)
	c := jsonschema.NewCompiler()
	if err := c.AddResource("keda.json", root); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("keda.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// closeObjects makes a schema refuse properties that it does not list.
func closeObjects(s map[string]any) {
	properties, listed := s["properties"].(map[string]any)
	if listed && s["additionalProperties"] == nil {
		s["additionalProperties"] = false
	}
	for _, p := range properties {
		if p, ok := p.(map[string]any); ok {
			closeObjects(p)
		}
	}
	if items, ok := s["items"].(map[string]any); ok {
		closeObjects(items)
	}
}

func TestAutoscalerIsValidAndAsksTheService(t *testing.T) {
	var object *scaledObject
	var service *corev1.Service
	var deployment *appsv1.Deployment
	for _, o := range manifests(t) {
		switch o := o.(type) {
		case *scaledObject:
			object = o
		case *corev1.Service:
			service = o
		case *appsv1.Deployment:
			deployment = o
		}
	}
	valid := schema(t)
	check := func() error {
		text, err := json.Marshal(map[string]any{"apiVersion": object.APIVersion, "kind": object.Kind, "spec": object.Spec})
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		return valid.Validate(value)
	}
	if err := check(); err != nil {
		t.Error(err)
	}
	// The control: an unknown field must be refused.
	object.Spec["maxReplicas"] = 3
	if check() == nil {
		t.Error("an unknown field is accepted")
	}

	trigger := object.Spec["triggers"].([]any)[0].(map[string]any)
	metadata := trigger["metadata"].(map[string]any)
	known := regexp.MustCompile(`keda:"name=(\w+)`).FindAllSubmatch(ofKEDA(t, "pkg/scalers/metrics_api_scaler.go"), -1)
	for key := range metadata {
		if !slices.ContainsFunc(known, func(m [][]byte) bool { return string(m[1]) == key }) {
			t.Errorf("the scaler has no key %s", key)
		}
	}
	u, err := url.Parse(metadata["url"].(string))
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(u.Port())
	if name, _, _ := strings.Cut(u.Hostname(), "."); name != service.Name || int32(port) != service.Spec.Ports[0].Port || u.Path != "/scale" {
		t.Errorf("it asks %s, the service is %s:%d", u, service.Name, service.Spec.Ports[0].Port)
	}
	container := deployment.Spec.Template.Spec.Containers[0]
	if service.Spec.Ports[0].TargetPort.StrVal != container.Ports[0].Name || !slices.Contains(container.Args, "--metrics") {
		t.Errorf("the service leads to %v, the container has %v with %v", service.Spec.Ports[0].TargetPort, container.Ports, container.Args)
	}
	if deployment.Spec.Template.Annotations["prometheus.io/port"] != strconv.Itoa(int(container.Ports[0].ContainerPort)) {
		t.Errorf("Prometheus scrapes another port: %v", deployment.Spec.Template.Annotations)
	}
	for key, value := range service.Spec.Selector {
		if deployment.Spec.Template.Labels[key] != value {
			t.Errorf("the service selects %s=%s", key, value)
		}
	}
	if target := object.Spec["scaleTargetRef"].(map[string]any); target["name"] != deployment.Name {
		t.Errorf("it scales %v", target)
	}
}
