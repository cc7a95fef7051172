package deploy

import (
	"os"
	"regexp"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	prometheusyaml "go.yaml.in/yaml/v2"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/util/validation"
)

// The autoscaler selects the metric of redis_exporter by the labels that
// Prometheus adds.
func TestAutoscalerFindsItsMetric(t *testing.T) {
	b, err := os.ReadFile("prometheus.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var scrape struct {
		Rules []*relabel.Config `yaml:"metric_relabel_configs"`
	}
	if err := prometheusyaml.UnmarshalStrict(b, &scrape); err != nil {
		t.Fatal(err)
	}
	for _, r := range scrape.Rules {
		if err := r.Validate(model.UTF8Validation); err != nil {
			t.Error(err)
		}
	}
	measured := func(key string) labels.Labels {
		l := labels.NewBuilder(labels.FromStrings("__name__", "redis_key_size", "db", "db0", "key", key))
		if !relabel.ProcessBuilder(l, scrape.Rules...) {
			t.Errorf("the length of %s is dropped", key)
		}
		return l.Labels()
	}

	text, err := os.ReadFile("kubernetes/autoscale.yaml")
	if err != nil {
		t.Fatal(err)
	}
	keys := regexp.MustCompile(`db0=([^,'\s]+)`).FindAllSubmatch(text, -1)
	if len(keys) != 2 {
		t.Fatalf("%d keys are measured; tasks wait in two", len(keys))
	}
	for _, o := range manifests(t) {
		a, ok := o.(*autoscalingv2.HorizontalPodAutoscaler)
		if !ok {
			continue
		}
		asked := a.Spec.Metrics[0].External.Metric
		for _, key := range keys {
			got := measured(string(key[1]))
			if got.Get("__name__") != asked.Name || len(asked.Selector.MatchLabels) == 0 {
				t.Errorf("it asks for %s with %v", asked.Name, asked.Selector)
			}
			for name, value := range asked.Selector.MatchLabels {
				if wrong := validation.IsValidLabelValue(value); wrong != nil {
					t.Errorf("it cannot ask for %s=%q: %v", name, value, wrong)
				}
				if got.Get(name) != value {
					t.Errorf("it asks for %s=%q, the metric has %v", name, value, got)
				}
			}
		}
	}

	if got := measured("lts:{mail.eu}:wait:slow:night"); got.Get("lts_pool") != "mail.eu" || got.Get("lts_queue") != "slow:night" {
		t.Errorf("the labels are %v", got)
	}
	for _, other := range []string{"lts:{default}:group:run:default", "lts:{default}:inbox", "x:lts:{default}:wait:default"} {
		if got := measured(other); got.Len() != 3 {
			t.Errorf("%s was treated as a queue: %v", other, got)
		}
	}
}
