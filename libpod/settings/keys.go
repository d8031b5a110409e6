package settings

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

func (e *Engine) setters(syn Syntax) map[string]setter {
	return map[string]setter{
		"active_service":                       text(&e.ActiveService),
		"service_destinations":                 e.setDestinations,
		"cdi_spec_dirs":                        list(&e.VendorDirs, same),
		"cgroup_manager":                       text(&e.CgroupManager, "cgroupfs", "systemd"),
		"detach_keys":                          func(v any) error { var s string; err := text(&s)(v); e.DetachKeys = &s; return err },
		"env":                                  list(&e.Env, assignment),
		"events_logger":                        optional(&e.EventsLogger, "file", "journald", "none"),
		"events_logfile_path":                  text(&e.EventsLogFile),
		"events_logfile_max_size":              limit(&e.EventsLogSize, syn),
		"events_container_create_inspect_data": truth(&e.EventsInspect),
		"helper_binaries_dir":                  list(&e.HelperBinariesDir, same),
		"hooks_dir":                            list(&e.HooksDirs, same),
		"image_default_transport":              text(&e.ImageDefaultTransport),
		"image_volume_mode":                    text(&e.ImageVolumeMode, "anonymous", "bind", "tmpfs", "ignore", "nullfs"),
		"init_path":                            text(&e.InitPath),
		"pull_policy":                          text(&e.PullPolicy, "always", "missing", "never", "newer"),
		"retry":                                whole(&e.Retry),
		"retry_delay":                          seconds(&e.RetryDelay),
		"runtime":                              text(&e.Runtime),
		"runtimes":                             lists(&e.Runtimes),
		"runtimes_flags":                       lists(&e.RuntimesFlags),
		"stop_timeout":                         whole(&e.StopTimeout),
	}
}

func assignment(s string) (string, error) {
	if name, _, ok := strings.Cut(s, "="); !ok || name == "" {
		return "", fmt.Errorf("%q is not NAME=value", s)
	}
	return s, nil
}

// lists stores a table of lists, those of later files over those of earlier ones.
func lists(dst *map[string][]string) setter {
	return func(v any) error {
		table, ok := v.(map[string]any)
		if !ok {
			return fmt.Errorf("want a table of lists")
		}
		for name, list := range table {
			words, _, err := strs(list)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if *dst == nil {
				*dst = map[string][]string{}
			}
			(*dst)[name] = words
		}
		return nil
	}
}

func (c *Containers) setters(syn Syntax) map[string]setter {
	pair := func(what string) func([]string) (map[string]string, error) {
		return func(words []string) (map[string]string, error) { return syn.Pairs(what, words) }
	}
	return map[string]setter{
		"annotations":                 pairs(&c.Annotations, pair("annotation")),
		"apparmor_profile":            text(&c.AppArmorProfile),
		"base_hosts_file":             text(&c.BaseHostsFile),
		"cgroup_conf":                 pairs(&c.CgroupConf, pair("cgroup setting")),
		"cgroupns":                    optional(&c.CgroupNS, "private", "host"),
		"cgroups":                     optional(&c.Cgroups, "enabled", "no-conmon", "disabled", "split"),
		"container_name_as_hostname":  truth(&c.NameAsHostname),
		"default_capabilities":        many(&c.DefaultCapabilities, syn.Capability),
		"default_sysctls":             pairs(&c.Sysctls, pair("sysctl")),
		"default_ulimits":             list(&c.Ulimits, syn.Ulimit),
		"devices":                     list(&c.Devices, syn.Device),
		"dns_servers":                 list(&c.DNSServers, syn.IP),
		"dns_searches":                list(&c.DNSSearches, same),
		"dns_options":                 list(&c.DNSOptions, same),
		"env":                         many(&c.Env, syn.Env),
		"env_host":                    truth(&c.EnvHost),
		"http_proxy":                  truth(&c.HTTPProxy),
		"host_containers_internal_ip": c.setHostIP,
		"init":                        truth(&c.Init),
		"init_path":                   text(&c.InitPath),
		"ipcns":                       optional(&c.IpcNS, "none", "host", "private", "shareable"),
		"log_driver":                  text(&c.LogDriver, "json-file", "k8s-file", "journald", "none", "passthrough"),
		"log_size_max":                limit(&c.LogSizeMax, syn),
		"log_tag":                     text(&c.LogTag),
		"mounts":                      mounts(&c.Mounts, syn.Mount),
		"netns":                       text(&c.NetNS),
		"no_hosts":                    truth(&c.NoHosts),
		"oom_score_adj":               whole(&c.OOMScoreAdj),
		"pids_limit":                  whole(&c.PidsLimit),
		"pidns":                       optional(&c.PidNS, "private", "host"),
		"privileged":                  truth(&c.Privileged),
		"read_only":                   truth(&c.ReadOnly),
		"seccomp_profile":             text(&c.SeccompProfile),
		"shm_size":                    size(&c.ShmSize, syn),
		"tz":                          text(&c.TZ),
		"umask":                       c.setUmask,
		"userns":                      c.setUserNS,
		"utsns":                       optional(&c.UtsNS, "private", "host"),
		"volumes":                     list(&c.Volumes, syn.Volume),
	}
}

// setUmask reads an octal number.
func (c *Containers) setUmask(v any) error {
	var s string
	if err := text(&s)(v); err != nil || s == "" {
		return err
	}
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 0o777 {
		return fmt.Errorf("invalid umask %q", s)
	}
	mask := uint32(n)
	c.Umask = &mask
	return nil
}

// setHostIP reads the address of host.containers.internal.
func (c *Containers) setHostIP(v any) error {
	var s string
	if err := text(&s)(v); err != nil {
		return err
	}
	if s == "none" {
		return &ignored{fmt.Sprintf("the value %q", s)} // the name of the host is always there
	}
	if s != "" {
		if _, err := netip.ParseAddr(s); err != nil {
			return fmt.Errorf("invalid address %q", s)
		}
	}
	c.HostIP = s
	return nil
}

// size stores a number of bytes, written as on the command line.
func size(dst *int64, syn Syntax) setter {
	return func(v any) error {
		var s string
		if err := text(&s)(v); err != nil || s == "" {
			return err
		}
		n, err := syn.Size(s)
		*dst = n
		return err
	}
}

// setUserNS reads a mode of --userns; its options are looked at when it is used.
func (c *Containers) setUserNS(v any) error {
	var s string
	if err := text(&s)(v); err != nil {
		return err
	}
	switch name, _, _ := strings.Cut(s, ":"); name {
	case "", "private", "host", "auto", "keep-id", "nomap", "ns", "container":
		c.UserNS = s
		return nil
	}
	return &ignored{fmt.Sprintf("the value %q", s)}
}

// limit stores a size, or a number where negative is no limit.
func limit(dst *int64, syn Syntax) setter {
	return func(v any) error {
		var n *int64
		if err := whole(&n)(v); err != nil {
			return size(dst, syn)(v)
		}
		*dst = max(*n, -1)
		return nil
	}
}

func (n *Network) setters() map[string]setter {
	return map[string]setter{
		"default_host_ips":     list(&n.DefaultHostIPs, address),
		"default_network":      text(&n.DefaultNetwork),
		"default_subnet":       n.setSubnet,
		"default_subnet_pools": n.setPools,
		"firewall_driver":      text(&n.FirewallDriver, "nftables", "iptables", "none"),
		"pasta_options":        list(&n.PastaOptions, same),
	}
}

func address(s string) (string, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return "", fmt.Errorf("invalid address %q", s)
	}
	return a.String(), nil
}

func (n *Network) setSubnet(v any) error {
	var s string
	if err := text(&s)(v); err != nil {
		return err
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return fmt.Errorf("invalid subnet %q", s)
	}
	n.DefaultSubnet = p.Masked().String()
	return nil
}

func (n *Network) setPools(v any) error {
	var items []map[string]any
	switch v := v.(type) {
	case []map[string]any:
		items = v
	case []any:
		for _, i := range v {
			m, _ := i.(map[string]any)
			items = append(items, m)
		}
	default:
		return fmt.Errorf("want a list of tables")
	}
	var pools []SubnetPool
	for _, m := range items {
		base, _ := m["base"].(string)
		size, _ := m["size"].(int64)
		p, err := netip.ParsePrefix(base)
		if err != nil || int(size) < p.Bits() || int(size) > p.Addr().BitLen() {
			return fmt.Errorf("invalid pool with base %q and size %d", base, size)
		}
		pools = append(pools, SubnetPool{Base: p.Masked().String(), Size: int(size)})
	}
	n.DefaultSubnetPools = pools
	return nil
}

// foreign reports whether a key is containers.conf's but concerns what skiff
// has no part in, or has no need of.
func foreign(table, key string) bool {
	known := map[string]string{
		"engine": `add_compression additional_layer_stores_dir cgroup_check
			compat_api_enforce_docker_hub compose_providers compose_warning_logs compression_format compression_level
			conmon_env_vars conmon_path conmonrs_env_vars conmonrs_path container_exit_policy database_backend
			enable_port_reservation
			exit_command_delay healthcheck_events host_containers_internal_ip image_build_format image_copy_tmp_dir
			image_parallel_copies infra_command infra_image infra_runtime kube_generate_type lock_type
			multi_image_archive namespace network_cmd_options network_cmd_path no_pivot_root num_locks
			platform_to_oci_runtime pod_exit_policy remote remote_identity remote_uri runtime_supports_json
			runtime_supports_kvm runtime_supports_nocgroups service_timeout
			shutdown_timeout ssh_config static_dir tmp_dir volume_path volume_plugin_timeout volume_plugins
			default_ssh_config default_image_store helper_binaries_dir`,
		"containers": `default_capabilities disable_hosts enable_keyring
			enable_labeled_users env_merge interface_name keyring label
			label_users log_path passwd prepare_volume_on_create rootless_networking
			userns_size uidmap gidmap log_opts`,
		"network": `cni_plugin_dirs default_rootless_network_cmd dns_bind_port netavark_plugin_dirs network_backend
			network_config_dir default_host_ips`,
	}
	for _, k := range strings.Fields(known[table]) {
		if k == key {
			return true
		}
	}
	return false
}
