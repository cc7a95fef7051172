package deploy

import (
	"errors"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// The exit statuses of ltsworker run. A wrong config and an unreachable Redis
// have different ones.
const (
	wrongConfig = 2
	noRedis     = 3
)

// inImage is the only program of the image.
const inImage = "/ltsworker"

// build returns the path of the program that LTSWORKER_PROGRAM names, or builds it.
func build(t *testing.T) string {
	t.Helper()
	if program := os.Getenv("LTSWORKER_PROGRAM"); program != "" {
		return program
	}
	program := filepath.Join(t.TempDir(), "ltsworker")
	cmd := exec.Command("go", "build", "-o", program, "./cmd/ltsworker")
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// start runs the program with the arguments of a container and the config at
// mounted, without a Redis. It returns the exit status and the output. On this
// machine the commands of the image exist under their path; any other command
// is missing, as in the image.
func start(t *testing.T, program string, args []string, mounted, config string) (status int, says string) {
	t.Helper()
	i := slices.Index(args, mounted)
	if i < 1 || args[i-1] != "-c" {
		t.Fatalf("the arguments %q do not name the config at %s", args, mounted)
	}
	file := filepath.Join(t.TempDir(), "worker.yaml")
	config = strings.ReplaceAll(config, "["+inImage+",", "["+program+",")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	args = slices.Clone(args)
	args[i] = file
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = []string{"LTS_REDIS=redis://127.0.0.1:1/0"}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// The program itself accepts every config with its arguments. It complains only
// about the missing Redis.
func TestProgramTakesTheConfigs(t *testing.T) {
	dockerfile, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(dockerfile), "\nCOPY bin/ltsworker "+inImage+"\n") {
		t.Error("the image does not have the program at ", inImage)
	}
	program := build(t)
	check := func(name string, args []string, mounted, config string) {
		t.Run(name, func(t *testing.T) {
			if status, says := start(t, program, args, mounted, config); status != noRedis {
				t.Errorf("exit status %d, want %d: %s", status, noRedis, says)
			}
			// The control: a bad config must change the exit status.
			if status, says := start(t, program, args, mounted, config+"\nnonsense: 1\n"); status != wrongConfig {
				t.Errorf("with an unknown setting: exit status %d, want %d: %s", status, wrongConfig, says)
			}
		})
	}

	o, err := cli.NewProjectOptions([]string{"compose.yaml"}, cli.WithName("ltsworker"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w, err := p.GetService("worker")
	if err != nil || len(w.Volumes) != 1 {
		t.Fatalf("volumes %v, %v", w.Volumes, err)
	}
	config, err := os.ReadFile(w.Volumes[0].Source)
	if err != nil {
		t.Fatal(err)
	}
	check("compose", w.Command, w.Volumes[0].Target, string(config))

	var configs *corev1.ConfigMap
	var pod *corev1.PodSpec
	for _, o := range manifests(t) {
		switch o := o.(type) {
		case *corev1.ConfigMap:
			configs = o
		case *appsv1.Deployment:
			pod = &o.Spec.Template.Spec
		}
	}
	if configs == nil || pod == nil || len(pod.Volumes) != 1 || len(pod.Containers[0].VolumeMounts) != 1 {
		t.Fatalf("config map %v, pod %v", configs, pod)
	}
	c, volume := pod.Containers[0], pod.Volumes[0]
	if volume.ConfigMap == nil || volume.ConfigMap.Name != configs.Name || c.VolumeMounts[0].Name != volume.Name {
		t.Errorf("the pod mounts %v, which is not the config map %s", volume, configs.Name)
	}
	for name, config := range configs.Data {
		check("kubernetes", c.Args, path.Join(c.VolumeMounts[0].MountPath, name), config)
	}
}
