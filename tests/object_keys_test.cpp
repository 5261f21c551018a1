#include "repo/object_keys.hpp"

#include "base/random.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

TEST_CASE("a pack's key says its id, and only keys written that way are packs'")
{
    const auto id = random_id<PackId>();
    const std::string key = pack_key(id);
    CHECK(parse_pack_key(key) == id);
    CHECK(key.size() == std::string("packs/xx/").size() + 64);
    CHECK_FALSE(parse_pack_key("packs/" + id.hex()));
    CHECK_FALSE(parse_pack_key("index/" + id.hex().substr(0, 2) + "/" + id.hex()));
    CHECK_FALSE(parse_pack_key(key + "0"));
    CHECK_FALSE(parse_pack_key(key.substr(0, key.size() - 1)));
    CHECK_FALSE(parse_pack_key(""));
    CHECK_FALSE(parse_pack_key("packs"));
}

TEST_CASE("the byte order of condemnations' names is the order of their numbers")
{
    CHECK(condemnation_key(9) < condemnation_key(10));
    CHECK(condemnation_key(99'999) < condemnation_key(100'000));
    CHECK(condemnation_key(1) == "gc/0000000000000001");
}

TEST_CASE("a number is read only as it is written")
{
    CHECK(parse_numbered_key("config/", "config/1") == 1);
    CHECK(parse_numbered_key("config/", config_key(12345)) == 12345);
    CHECK(parse_numbered_key("gc/", condemnation_key(7)) == 7);
    for (const char* key :
         {"config/01", "config/", "config/-1", "config/1x", "config/x1", "config/+1", "keyring/1",
          "config/99999999999999999999999", "config/1/1"}) {
        CAPTURE(key);
        CHECK_FALSE(parse_numbered_key("config/", key));
    }
    CHECK_FALSE(parse_numbered_key("gc/", "gc/7"));
}

TEST_CASE("an id is read only behind its folder")
{
    const auto id = random_id<SessionId>();
    CHECK(parse_id_key<SessionId>("snapshots/", snapshot_key(id)) == id);
    CHECK_FALSE(parse_id_key<SessionId>("snapshots/", session_key(id)));
    CHECK_FALSE(parse_id_key<SessionId>("snapshots/", snapshot_key(id) + ".tmp"));
}
