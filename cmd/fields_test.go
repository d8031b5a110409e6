package cmd

import (
	"reflect"
	"strings"
	"testing"

	"skiff/libpod/events"
)

// What templates of Podman 6 and Docker 20.10 may name is there. Left out are
// what is for experts only (InspectVolumeData, VolumeConfigResponse, LockNumber,
// ContainerStats) and what Docker has only for swarms.
func TestTemplateFields(t *testing.T) {
	for _, tt := range []struct {
		command string
		row     any
		fields  string
	}{
		{"ps", psRow{}, "AutoRemove CIDFile Command Created CreatedAt CreatedHuman ExitCode Exited ExitedAt ExposedPorts ID Image" +
			" ImageID IsInfra Label Labels LocalVolumes Mounts Names Networks Pid Pod PodName Ports Restarts RunningFor Size" +
			" StartedAt State Status Namespaces Cgroup IPC MNT NET PIDNS User UTS"},
		{"images", imageRow{}, "Containers Created CreatedAt CreatedSince CreatedTime Dangling Digest History ID Id IsDangling" +
			" IsReadOnly Labels Names ParentId ReadOnly RepoDigests Repository RepoTags SharedSize Size Tag UniqueSize VirtualSize"},
		{"volume ls", volumeRow{}, "Anonymous Availability CreatedAt Driver GID Group Label Labels Links MountCount Mountpoint Name" +
			" NeedsChown NeedsCopyUp Options Scope Size Status StorageID Timeout UID"},
		{"network ls", networkRow{}, "Created CreatedAt DNSEnabled Driver ID IPAMOptions IPv6 IPv6Enabled Internal Label Labels Name" +
			" NetworkDNSServers NetworkInterface Options Routes Scope Subnets"},
		{"stats", statsRow{}, "AVGCPU AvgCPU BlockIO BlockInput BlockOutput CPU CPUNano CPUPerc CPUSystemNano Container ContainerID" +
			" Duration ID MemLimit MemPerc MemUsage MemUsageBytes Name NetIO Network PIDS PIDs SystemNano Up UpTime"},
		{"events", eventRow{}, "Action Actor Attributes ContainerExitCode ContainerInspectData Error HealthStatus ID Image Name Network" +
			" OOMKilled PodID Status Time TimeNano Type"},
		{"docker events", events.Message{}, "Action Actor From ID Scope Status Time TimeNano Type"},
		{"history", historyRow{}, "Comment Created CreatedAt CreatedBy CreatedSince ID Size Tags"},
		{"system df", dfRow{}, "Active RawReclaimable RawSize Reclaimable Size Total TotalCount Type"},
	} {
		row := reflect.TypeOf(tt.row)
		for _, name := range strings.Fields(tt.fields) {
			_, method := row.MethodByName(name)
			_, field := row.FieldByName(name)
			if !method && !field {
				t.Errorf("%s: no %s", tt.command, name)
			}
		}
	}
}
