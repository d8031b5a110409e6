package resolve

import (
	"crypto/rand"
	"encoding/hex"
	mrand "math/rand/v2"
)

// adjectives and nouns make the names of containers that were given none:
// weather and water first, then boats and birds, all short and kind.
var (
	adjectives = [...]string{
		"agile", "amber", "ample", "azure", "balmy", "bold", "bonny", "brave", "breezy", "bright",
		"brisk", "buoyant", "calm", "candid", "cheery", "chilly", "clear", "clever", "cloudy", "cosy",
		"crisp", "daring", "dapper", "deep", "dewy", "eager", "early", "easy", "epic", "fair",
		"fancy", "fearless", "fleet", "fluffy", "foamy", "fresh", "frosty", "gentle", "gleaming", "glossy",
		"golden", "grand", "hardy", "hazy", "hearty", "honest", "humble", "icy", "jolly", "keen",
		"kind", "lively", "loyal", "lucid", "lucky", "lunar", "marine", "mellow", "merry", "mighty",
		"mild", "misty", "modest", "nimble", "noble", "northern", "patient", "placid", "polar", "polished",
		"proud", "quick", "quiet", "rapid", "rosy", "salty", "sandy", "serene", "shiny", "silent",
		"silver", "sincere", "sleek", "smooth", "snowy", "solar", "southern", "spry", "stable", "starry",
		"steady", "stormy", "sturdy", "sunny", "swift", "tidal", "tidy", "tranquil", "trusty", "upbeat",
		"vast", "vivid", "warm", "wavy", "windy", "wise", "witty", "zesty",
	}
	nouns = [...]string{
		"albatross", "anchor", "atoll", "auk", "barge", "bay", "beacon", "birch", "boat", "bosun",
		"breeze", "bridge", "brook", "buoy", "cabin", "canal", "canoe", "cape", "captain", "catamaran",
		"channel", "clipper", "cloud", "coast", "comet", "compass", "coral", "cormorant", "cove", "crane",
		"creek", "current", "cutter", "deck", "delta", "dinghy", "dock", "dolphin", "dory", "dune",
		"eddy", "eider", "estuary", "falcon", "ferry", "fjord", "frigate", "galley", "gannet", "glacier",
		"gull", "gulf", "harbour", "haven", "heron", "horizon", "iceberg", "inlet", "island", "jetty",
		"kayak", "keel", "kelp", "ketch", "kite", "lagoon", "lake", "lantern", "lighthouse", "lugger",
		"marina", "mast", "meadow", "mist", "moon", "mooring", "narwhal", "oar", "ocean", "orca",
		"osprey", "otter", "paddle", "pelican", "penguin", "petrel", "pier", "pilot", "plover", "port",
		"puffin", "quay", "raft", "reef", "ridge", "river", "rudder", "sail", "sandbar", "schooner",
		"seal", "shoal", "shore", "sloop", "sound", "spinnaker", "spray", "star", "stern", "strait",
		"stream", "surf", "swan", "tern", "tide", "tiller", "trawler", "tugboat", "wave", "wharf",
		"whale", "willow", "wind", "yacht", "yawl",
	}
)

// Name makes a name of two words for a container that was given none. Names
// come again sooner or later: the caller tries another where one is taken.
func Name() string {
	return adjectives[mrand.IntN(len(adjectives))] + "_" + nouns[mrand.IntN(len(nouns))]
}

// ID makes a new id: 64 hex digits.
func ID() string {
	var b [32]byte
	rand.Read(b[:]) // never fails, see its documentation
	return hex.EncodeToString(b[:])
}
