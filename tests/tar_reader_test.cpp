#include "base/error.hpp"
#include "postgres/tar_reader.hpp"
#include "support/sample_tar.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

/// The archive in pieces of one size.
TarReader reader_of(const Bytes& archive, std::size_t piece)
{
    return TarReader([rest = ByteSpan(archive), piece]() mutable {
        const ByteSpan next = rest.first(std::min(piece, rest.size()));
        rest = rest.subspan(next.size());
        return next;
    });
}

Bytes content_of(TarReader& reader)
{
    Bytes all;
    Bytes buffer(100);
    while (const std::size_t got = reader.read(buffer)) {
        append(all, ByteSpan(buffer).first(got));
    }
    return all;
}

} // namespace

TEST_CASE("an archive gives its members however the server cuts it")
{
    const std::string text(1500, 'x');
    Bytes archive;
    append_tar_member(archive, "base/1/", '5', "");
    append_tar_member(archive, "base/1/112", '0', text);
    append_tar_member(archive, "empty", '0', "");
    append_tar_member(archive, "pg_tblspc/16385", '2', "", "/srv/space one");
    append_tar_member(archive, "./global/pg_control", '0', "control");
    for (const bool has_trailer : {true, false}) {
        if (has_trailer) {
            archive.resize(archive.size() + 1024);
        } else {
            archive.resize(archive.size() - 1024);
        }
        for (const std::size_t piece : {1UL, 7UL, 512UL, 513UL, 1UL << 20}) {
            CAPTURE(piece);
            TarReader reader = reader_of(archive, piece);
            auto member = reader.next();
            REQUIRE(member);
            CHECK(member->kind == TarMember::Kind::folder);
            CHECK(member->path == "base/1");
            CHECK(member->mode == 0600);
            member = reader.next();
            CHECK(member->path == "base/1/112");
            CHECK(member->size == 1500);
            CHECK(member->modified == 1'700'000'000);
            CHECK(as_text(content_of(reader)) == text);
            CHECK(reader.next()->path == "empty");
            CHECK(content_of(reader).empty());
            member = reader.next();
            CHECK(member->kind == TarMember::Kind::symlink);
            CHECK(member->link_target == "/srv/space one");
            CHECK(reader.next()->path == "global/pg_control");
            CHECK(as_text(content_of(reader)) == "control");
            CHECK_FALSE(reader.next());
        }
    }
}

TEST_CASE("a member that is not read is skipped")
{
    Bytes archive;
    append_tar_member(archive, "first", '0', std::string(5000, 'a'));
    append_tar_member(archive, "second", '0', "b");
    TarReader reader = reader_of(archive, 333);
    CHECK(reader.next()->path == "first");
    CHECK(reader.next()->path == "second");
    CHECK(as_text(content_of(reader)) == "b");
}

TEST_CASE("an archive that ends too early or is none is refused")
{
    Bytes archive;
    append_tar_member(archive, "file", '0', std::string(1000, 'a'));
    const auto read_through = [](const Bytes& bytes) {
        TarReader reader = reader_of(bytes, 100);
        while (reader.next()) {
            content_of(reader);
        }
    };
    for (const std::size_t size : {1UL, 511UL, 513UL, 1511UL, 1535UL}) {
        CAPTURE(size);
        CHECK_THROWS_AS(read_through(Bytes(archive.begin(), archive.begin() + size)), Error);
    }
    for (const std::size_t at : {0UL, 100UL, 124UL, 150UL, 257UL}) {
        CAPTURE(at);
        Bytes wrong = archive;
        wrong[at] ^= 0x08;
        CHECK_THROWS_AS(read_through(wrong), Error);
    }
    Bytes other_kind;
    append_tar_member(other_kind, "device", '3', "");
    CHECK_THROWS_AS(read_through(other_kind), Error);
}
