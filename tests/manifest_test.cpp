#include "base/error.hpp"
#include "codec/hash.hpp"
#include "postgres/backup_label.hpp"
#include "postgres/manifest.hpp"
#include "postgres/manifest_writer.hpp"

#include <doctest/doctest.h>
#include <memory>

using namespace backstay::core;

namespace
{

const std::string body =
    "{ \"PostgreSQL-Backup-Manifest-Version\": 2,\n"
    "\"System-Identifier\": 7430000000000000001,\n"
    "\"Files\": [\n"
    "{ \"Path\": \"backup_label\", \"Size\": 225, \"Last-Modified\": \"2026-11-25 14:03:07 GMT\", "
    "\"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": \"78563412\" },\n"
    "{ \"Encoded-Path\": \"62617365ff\", \"Size\": 8192, \"Last-Modified\": \"2026-11-25 14:03:07 "
    "GMT\" }\n"
    "],\n"
    "\"WAL-Ranges\": [\n"
    "{ \"Timeline\": 3, \"Start-LSN\": \"0/2000028\", \"End-LSN\": \"0/2000100\" }\n"
    "],\n";

std::string sealed(const std::string& text)
{
    return text + "\"Manifest-Checksum\": \"" + to_hex(sha256(as_bytes(text))) + "\"}\n";
}

Manifest read(const std::string& text, std::vector<ManifestFile>& files)
{
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), std::fclose);
    std::fwrite(text.data(), 1, text.size(), file.get());
    return read_manifest(file.get(), [&](const ManifestFile& one) { files.push_back(one); });
}

bool is_refused(const std::string& text)
{
    std::vector<ManifestFile> files;
    try {
        read(text, files);
        return false;
    } catch (const Error& error) {
        return error.code() == ErrorCode::damaged;
    }
}

} // namespace

TEST_CASE("a manifest tells its files and the log that recovery needs")
{
    std::vector<ManifestFile> files;
    const Manifest manifest = read(sealed(body), files);
    CHECK(manifest.version == 2);
    CHECK(manifest.system_id == 7430000000000000001);
    REQUIRE(files.size() == 2);
    CHECK(files[0].path == "backup_label");
    CHECK(files[0].size == 225);
    CHECK(files[0].crc32c == 0x12345678);
    CHECK(files[1].path == "base\xff");
    CHECK_FALSE(files[1].crc32c);
    REQUIRE(manifest.log.size() == 1);
    CHECK(manifest.log[0].timeline == 3);
    CHECK(manifest.log[0].begin == 0x2000028);
    CHECK(manifest.log[0].end == 0x2000100);
}

TEST_CASE("a manifest that was altered or cut anywhere is refused")
{
    const std::string whole = sealed(body);
    REQUIRE_FALSE(is_refused(whole));
    for (std::size_t at = 0; at < whole.size(); ++at) {
        CAPTURE(at);
        CHECK(is_refused(whole.substr(0, at)));
        std::string wrong = whole;
        wrong[at] ^= 0x01;
        // Hexadecimal digits have two cases, and only one is written.
        CHECK(is_refused(wrong));
    }
}

TEST_CASE("a manifest of an unknown form is refused")
{
    CHECK(is_refused(sealed("{ \"PostgreSQL-Backup-Manifest-Version\": 3,\n")));
    CHECK(is_refused(sealed("{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [[]],\n")));
    CHECK(is_refused(sealed("{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [{}],\n")));
    CHECK(is_refused(
        sealed("{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [{\"Path\": \"a\", "
               "\"Size\": -1}],\n")));
    CHECK(is_refused(std::string(100'000, '[') + "\n"));
    CHECK(is_refused(""));
    CHECK(is_refused("\n\n"));
}

TEST_CASE("a manifest that is written anew is read as it was, and has its own checksum")
{
    std::vector<ManifestFile> files;
    const Manifest manifest = read(sealed(body), files);
    files.push_back({"with \"quotes\"\n", 1, "2026-11-25 14:03:07 GMT", 0xFFFFFFFF});
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), std::fclose);
    ManifestWriter writer(file.get(), *manifest.system_id);
    for (const ManifestFile& one : files) {
        writer.add(one);
    }
    writer.finish(manifest.log);
    std::vector<ManifestFile> again;
    const Manifest same =
        read_manifest(file.get(), [&again](const ManifestFile& one) { again.push_back(one); });
    CHECK(same.version == 2);
    CHECK(same.system_id == manifest.system_id);
    REQUIRE(same.log.size() == 1);
    CHECK(same.log[0].timeline == 3);
    CHECK(same.log[0].begin == manifest.log[0].begin);
    CHECK(same.log[0].end == manifest.log[0].end);
    REQUIRE(again.size() == files.size());
    for (std::size_t i = 0; i < files.size(); ++i) {
        CAPTURE(i);
        CHECK(again[i].path == files[i].path);
        CHECK(again[i].size == files[i].size);
        CHECK(again[i].modified == files[i].modified);
        CHECK(again[i].crc32c == files[i].crc32c);
    }
}

TEST_CASE("a backup_label is a full backup's without the lines of an incremental one")
{
    const std::string begin = "START WAL LOCATION: 0/4000028 (file 000000010000000000000004)\n";
    const std::string end = "LABEL: INCREMENTAL FROM LSN: here\nSTART TIMELINE: 1\n";
    CHECK(full_backup_label(begin + end +
                            "INCREMENTAL FROM LSN: 0/2000028\nINCREMENTAL FROM TLI: "
                            "1\n") == begin + end);
    CHECK(full_backup_label(begin + "INCREMENTAL FROM TLI: 1") == begin);
    CHECK(full_backup_label(begin + end) == begin + end);
    CHECK(full_backup_label("").empty());
}
