package firewall

import "strings"

// Names of the sets and maps in the table.
const (
	setBridges  = "bridges"     // device names of the networks
	setWithin   = "within"      // pairs of equal device names: traffic in one network
	setInternal = "internal"    // networks that nothing is forwarded for
	setOpen     = "open"        // networks that reach each other
	setSubnets4 = "subnets4"    // addresses of the networks
	setSubnets6 = "subnets6"    //
	setOutward4 = "outward4"    // those of them that are translated on the way out
	setOutward6 = "outward6"    //
	mapAny4     = "publish4"    // protocol . port -> address . port
	mapOn4      = "publish4_on" // address . protocol . port -> address . port
	mapAny6     = "publish6"
	mapOn6      = "publish6_on"
)

// A chain of the table; Hook is empty for one that is only jumped to.
type chain struct {
	Name, Type, Hook string
	Priority         int
}

// A rule is what must match, all of it, and what is done then.
type rule struct {
	Chain string
	// Device matches are a name, @set, or either with ! in front.
	In, Out string
	// Within asks for the pair of both devices in the set.
	Within bool
	// Family is 4 or 6 where Src, Dst or the action need one.
	Family int
	// Src and Dst are @set, a prefix, or either with ! in front.
	Src, Dst string
	// Local asks for a destination address that is the host's own.
	Local bool
	// Established asks for packets of known connections (or related), Fresh for those
	// of none, Translated for those whose destination was rewritten.
	Established, Fresh, Translated bool
	// Action is accept, drop, masquerade, jump CHAIN or dnat MAP.
	Action string
}

// chains and rules are the whole of the table's fixed part.
func chains() []chain {
	return []chain{
		{Name: "publish"},
		{Name: "guard", Type: "filter", Hook: "prerouting", Priority: -300},
		{Name: "prerouting", Type: "nat", Hook: "prerouting", Priority: -100},
		{Name: "output", Type: "nat", Hook: "output", Priority: -100},
		{Name: "postrouting", Type: "nat", Hook: "postrouting", Priority: 100},
		{Name: "input", Type: "filter", Hook: "input", Priority: 0},
		{Name: "forward", Type: "filter", Hook: "forward", Priority: 0},
	}
}

func rules() []rule {
	return []rule{
		// A port on one address wins over the same port on all of them. ::1 cannot
		// be routed to a bridge, so it is left alone and the client tries 127.0.0.1.
		{Chain: "publish", Family: 4, Action: "dnat " + mapOn4},
		{Chain: "publish", Family: 4, Action: "dnat " + mapAny4},
		{Chain: "publish", Family: 6, Dst: "!::1", Action: "dnat " + mapOn6},
		{Chain: "publish", Family: 6, Dst: "!::1", Action: "dnat " + mapAny6},

		// The bridges route 127.0.0.0/8 so that the host reaches published ports
		// there. Nobody else may: neither containers nor neighbours on the wire.
		{Chain: "guard", Family: 4, In: "!lo", Dst: "127.0.0.0/8", Action: "drop"},

		{Chain: "prerouting", Local: true, Action: "jump publish"},
		{Chain: "output", Local: true, Action: "jump publish"},

		{Chain: "postrouting", Family: 4, Src: "@" + setOutward4, Out: "!@" + setBridges, Action: "masquerade"},
		{Chain: "postrouting", Family: 6, Src: "@" + setOutward6, Out: "!@" + setBridges, Action: "masquerade"},
		{Chain: "postrouting", Family: 4, Src: "127.0.0.0/8", Out: "@" + setBridges, Action: "masquerade"},
		// A container that reaches another, or itself, by the host's address must
		// get the answer from there and not straight over the bridge.
		{Chain: "postrouting", Family: 4, Src: "@" + setSubnets4, Out: "@" + setBridges, Translated: true, Action: "masquerade"},
		{Chain: "postrouting", Family: 6, Src: "@" + setSubnets6, Out: "@" + setBridges, Translated: true, Action: "masquerade"},

		// What finds out who has which IPv6 address on the link is tracked as neither,
		// so the host still finds an internal network's containers.
		{Chain: "input", In: "@" + setInternal, Fresh: true, Action: "drop"},

		{Chain: "forward", Established: true, Action: "accept"},
		{Chain: "forward", Within: true, Action: "accept"},
		{Chain: "forward", In: "@" + setInternal, Action: "drop"},
		{Chain: "forward", Out: "@" + setInternal, Action: "drop"},
		{Chain: "forward", Out: "@" + setBridges, Translated: true, Action: "accept"},
		{Chain: "forward", In: "@" + setOpen, Out: "@" + setOpen, Action: "accept"},
		{Chain: "forward", Out: "@" + setBridges, Action: "drop"},
	}
}

// text is the rule in nft(8)'s language.
func (r rule) text() string {
	var w []string
	add := func(s ...string) { w = append(w, s...) }
	if r.Within {
		add("iifname . oifname @" + setWithin)
	}
	if r.In != "" {
		add("iifname", operand(r.In))
	}
	if r.Out != "" {
		add("oifname", operand(r.Out))
	}
	ip := "ip"
	if r.Family == 6 {
		ip = "ip6"
	}
	if r.Src != "" {
		add(ip, "saddr", operand(r.Src))
	}
	if r.Dst != "" {
		add(ip, "daddr", operand(r.Dst))
	}
	if r.Local {
		add("fib daddr type local")
	}
	if r.Established {
		add("ct state established,related")
	}
	if r.Fresh {
		add("ct state invalid,new")
	}
	if r.Translated {
		add("ct status dnat")
	}
	verb, arg, _ := strings.Cut(r.Action, " ")
	switch {
	case verb == "dnat" && strings.HasSuffix(arg, "_on"):
		add("dnat", ip, "to", ip, "daddr . meta l4proto . th dport map @"+arg)
	case verb == "dnat" && r.Dst == "":
		add("meta nfproto ipv4 dnat", ip, "to meta l4proto . th dport map @"+arg)
	case verb == "dnat":
		add("dnat", ip, "to meta l4proto . th dport map @"+arg)
	default:
		add(r.Action)
	}
	return strings.Join(w, " ")
}

func operand(s string) string {
	not := ""
	if s[0] == '!' {
		not, s = "!= ", s[1:]
	}
	if s[0] != '@' && !strings.ContainsAny(s, "./:") {
		s = `"` + s + `"`
	}
	return not + s
}
