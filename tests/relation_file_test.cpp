#include "postgres/relation_file.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

TEST_CASE("relation files are told from the others by their names")
{
    using Fork = RelationFile::Fork;
    const auto is = [](const char* path, const char* relation, Fork fork, std::uint32_t segment) {
        const auto file = parse_relation_file(path);
        return file && file->relation == relation && file->fork == fork && file->segment == segment;
    };
    CHECK(is("base/5/16384", "base/5/16384", Fork::main, 0));
    CHECK(is("base/5/16384.17", "base/5/16384", Fork::main, 17));
    CHECK(is("base/5/16384_fsm", "base/5/16384", Fork::free_space, 0));
    CHECK(is("base/5/16384_vm.1", "base/5/16384", Fork::visibility, 1));
    CHECK(is("base/5/16384_init", "base/5/16384", Fork::initial, 0));
    CHECK(is("global/1262", "global/1262", Fork::main, 0));
    CHECK(is("PG_15_202209061/5/16385", "PG_15_202209061/5/16385", Fork::main, 0));
    for (const char* other :
         {"", "PG_VERSION", "base/5/PG_VERSION", "base/5/pg_filenode.map", "global/pg_control",
          "base/5/pg_internal.init", "pg_wal/000000010000000000000001", "pg_xact/0000",
          "base/16384", "base/x/16384", "base/5/16384.", "base/5/16384.x", "base/5/16384_other",
          "base/5/t3_16390", "pg_multixact/offsets/0000", "base/5/16384.99999999999"}) {
        CAPTURE(other);
        CHECK_FALSE(parse_relation_file(other));
    }
}
