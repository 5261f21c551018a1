#include "postgres/copy_message.hpp"
#include "support/hostile_bytes.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

Bytes message(std::string_view text)
{
    return Bytes(text.begin(), text.end());
}

template <std::size_t size>
std::string_view with_zeros(const char (&text)[size])
{
    return {text, size - 1};
}

} // namespace

TEST_CASE("messages of a base backup are told apart")
{
    const BackupMessage archive =
        decode_backup_message(message(with_zeros("n16385.tar\0/srv/one\0")));
    CHECK(archive.kind == BackupMessage::Kind::archive);
    CHECK(archive.archive == "16385.tar");
    CHECK(archive.location == "/srv/one");
    const Bytes data = message("dabc");
    CHECK(as_text(decode_backup_message(data).data) == "abc");
    CHECK(decode_backup_message(message("m")).kind == BackupMessage::Kind::manifest);
    const auto progress = message(with_zeros("p\0\0\0\0\0\1\2\3"));
    CHECK(decode_backup_message(progress).bytes == 0x10203);
}

TEST_CASE("messages of the log are told apart")
{
    const auto data =
        message(with_zeros("w\0\0\0\1\0\0\0\x10\0\0\0\1\0\0\0\x20\0\0\0\0\0\0\0\0log"));
    const LogMessage log = decode_log_message(data);
    CHECK(log.kind == LogMessage::Kind::data);
    CHECK(log.begin == 0x1'00000010);
    CHECK(log.end == 0x1'00000020);
    CHECK(log.time == 946'684'800'000'000);
    CHECK(as_text(log.data) == "log");
    const auto alive = message(with_zeros("k\0\0\0\1\0\0\0\x10\x7f\xff\xff\xff\xff\xff\xff\xff\1"));
    CHECK(decode_log_message(alive).wants_reply);
    CHECK(decode_log_message(alive).time == INT64_MAX);
}

TEST_CASE("messages that are cut, too long or unknown are refused")
{
    const auto backup = [](ByteSpan bytes) { return decode_backup_message(bytes).bytes; };
    const auto log = [](ByteSpan bytes) { return decode_log_message(bytes).begin; };
    for (const std::string_view wrong :
         {with_zeros(""), with_zeros("x"), with_zeros("n"), with_zeros("na"), with_zeros("na\0b"),
          with_zeros("na\0b\0c"), with_zeros("mx"), with_zeros("p\0\0\0"),
          with_zeros("p\0\0\0\0\0\0\0\0\0")}) {
        CAPTURE(wrong);
        CHECK_FALSE(decoded_or_refused(message(wrong), backup));
    }
    for (const std::string_view wrong : {with_zeros(""), with_zeros("r"), with_zeros("w\0\0\0\0"),
                                         with_zeros("k\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
                                         with_zeros("k\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")}) {
        CAPTURE(wrong);
        CHECK_FALSE(decoded_or_refused(message(wrong), log));
    }
}

TEST_CASE("a status says what is written and flushed, and asks for nothing")
{
    const Bytes status = encode_log_status({0x1'00000010, 0x20, 946'684'800'000'001});
    CHECK(as_text(status) ==
          with_zeros("r\0\0\0\1\0\0\0\x10\0\0\0\0\0\0\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0"));
}
