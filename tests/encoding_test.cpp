#include "format/encoding.hpp"

#include "support/hostile_bytes.hpp"
#include "support/random_records.hpp"

using namespace backstay::core;

namespace
{

template <typename Write>
Bytes written(Write write)
{
    Bytes out;
    Encoder to(out);
    write(to);
    return out;
}

std::string written_number(std::uint64_t value)
{
    return to_hex(written([&](Encoder& to) { to.varint(value); }));
}

/// Whether `hex` is refused as a varint.
bool number_is_refused(std::string_view hex)
{
    return is_refused(*from_hex(hex),
                      [](ByteSpan bytes) { return Decoder(bytes, "test").varint(); });
}

} // namespace

TEST_CASE("numbers have the bytes that the format says")
{
    CHECK(written_number(0) == "00");
    CHECK(written_number(127) == "7f");
    CHECK(written_number(128) == "8001");
    CHECK(written_number(UINT64_MAX) == "ffffffffffffffffff01");
    CHECK(to_hex(written([](Encoder& to) { to.u32(0x01020304); })) == "04030201");
    CHECK(to_hex(written([](Encoder& to) { to.u64(0x0102030405060708); })) == "0807060504030201");
    CHECK(to_hex(written([](Encoder& to) { to.zigzag(-1); })) == "01");
    CHECK(to_hex(written([](Encoder& to) { to.zigzag(1); })) == "02");
    CHECK(to_hex(written([](Encoder& to) { to.zigzag(INT64_MIN); })) == "ffffffffffffffffff01");
    CHECK(to_hex(written([](Encoder& to) { to.text("abc"); })) == "03616263");
    CHECK(to_hex(written([](Encoder& to) { to.time({-2, 128}); })) == "038001");
}

TEST_CASE("numbers, texts and times come back")
{
    SeededNumbers numbers(1);
    for (int i = 0; i < 2000; ++i) {
        const std::uint64_t number = random_number(numbers);
        const auto difference = static_cast<std::int64_t>(numbers.next());
        const Timestamp time = random_time(numbers);
        const std::string text = random_text(numbers);
        const auto id = random_id<BlobId>(numbers);
        const Bytes bytes = written([&](Encoder& to) {
            to.varint(number);
            to.zigzag(difference);
            to.time(time);
            to.text(text);
            to.id(id);
            to.u64(number);
        });
        Decoder from(bytes, "test");
        CHECK(from.varint() == number);
        CHECK(from.zigzag() == difference);
        CHECK(from.time() == time);
        CHECK(from.text(30) == text);
        CHECK(from.id<BlobId>() == id);
        CHECK(from.u64() == number);
        CHECK_NOTHROW(from.finish());
    }
}

TEST_CASE("the least and the largest differences come back")
{
    for (const std::int64_t value : {INT64_MIN, INT64_MIN + 1, std::int64_t{0}, INT64_MAX}) {
        const Bytes bytes = written([&](Encoder& to) { to.zigzag(value); });
        CHECK(Decoder(bytes, "test").zigzag() == value);
    }
}

TEST_CASE("a number that is cut, too large or not in its shortest form is refused")
{
    CHECK(number_is_refused(""));
    CHECK(number_is_refused("80"));
    CHECK(number_is_refused("8000"));
    CHECK(number_is_refused("ff00"));
    CHECK(number_is_refused("ffffffffffffffffff02"));
    CHECK(number_is_refused("ffffffffffffffffff81"));
    CHECK(number_is_refused("8080808080808080808001"));
    CHECK_FALSE(number_is_refused("00"));
    CHECK_FALSE(number_is_refused("ffffffffffffffffff01"));
}

TEST_CASE("a number above its limit is refused")
{
    const Bytes bytes = written([](Encoder& to) { to.varint(300); });
    CHECK(Decoder(bytes, "test").varint(300) == 300);
    CHECK_THROWS_AS(Decoder(bytes, "test").varint(299), Error);
}

TEST_CASE("a time with a second or more of nanoseconds is refused")
{
    const Bytes bytes = written([](Encoder& to) {
        to.zigzag(5);
        to.varint(1'000'000'000);
    });
    CHECK_THROWS_AS(Decoder(bytes, "test").time(), Error);
}

TEST_CASE("a count that the remaining bytes cannot back is refused")
{
    const Bytes bytes = written([](Encoder& to) {
        to.varint(3);
        to.raw(Bytes(6));
    });
    CHECK(Decoder(bytes, "test").count(2) == 3);
    CHECK_THROWS_AS(Decoder(bytes, "test").count(3), Error);
    const Bytes absurd = written([](Encoder& to) { to.varint(UINT64_MAX); });
    CHECK_THROWS_AS(Decoder(absurd, "test").count(1), Error);
}

TEST_CASE("a text longer than its limit or than what is left is refused")
{
    const Bytes bytes = written([](Encoder& to) { to.text("abcd"); });
    CHECK(Decoder(bytes, "test").text(4) == "abcd");
    CHECK_THROWS_AS(Decoder(bytes, "test").text(3), Error);
    const Bytes absurd = written([](Encoder& to) {
        to.varint(UINT64_MAX);
        to.u8('a');
    });
    CHECK_THROWS_AS(Decoder(absurd, "test").text(SIZE_MAX), Error);
}

TEST_CASE("what follows the end is refused, and the error names what is read")
{
    const Bytes bytes = {1, 2};
    Decoder from(bytes, "pack directory");
    from.u8();
    CHECK_FALSE(from.at_end());
    CHECK(from.remaining() == 1);
    std::string message;
    try {
        from.finish();
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::damaged);
        message = error.what();
    }
    CHECK(message.find("pack directory") != std::string::npos);
}
