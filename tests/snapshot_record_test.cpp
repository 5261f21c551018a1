#include "format/snapshot_record.hpp"

#include "format/encoding.hpp"
#include "support/hostile_bytes.hpp"
#include "support/random_records.hpp"

using namespace backstay::core;

namespace
{

SnapshotRecord sample()
{
    SnapshotRecord record;
    record.id = id_of<SessionId>(0x11);
    record.time = {1, 2};
    record.host = "h";
    record.user = "u";
    record.tags = {"t", ""};
    record.comment = "c";
    record.program = "p";
    record.root = Subtree{id_of<BlobId>(0x22), 3, 300};
    record.sources = {{"files", "tree", {"/a"}, 2, 1, "{}", "m"}};
    record.counts = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    record.problems = {0, {{5, id_of<BlobId>(0x33)}}};
    record.series = "s";
    record.counter = 7;
    record.parent = id_of<SessionId>(0x44);
    record.predecessor = id_of<SessionId>(0x55);
    record.predecessor_digest.fill(0x66);
    record.condemned_digest.fill(0x77);
    return record;
}

SnapshotSource random_source(SeededNumbers& numbers)
{
    SnapshotSource source;
    source.name = random_name(numbers);
    source.kind = random_text(numbers);
    source.roots = random_texts(numbers);
    source.verdict = static_cast<std::uint8_t>(1 + numbers.below(3));
    source.problems = random_number(numbers);
    source.record = random_text(numbers);
    source.message = random_text(numbers);
    return source;
}

SnapshotRecord random_snapshot(SeededNumbers& numbers)
{
    SnapshotRecord record;
    record.id = random_id<SessionId>(numbers);
    record.time = random_time(numbers);
    for (auto* text : {&record.kind, &record.host, &record.user, &record.comment, &record.program,
                       &record.series}) {
        *text = random_text(numbers);
    }
    record.tags = random_texts(numbers);
    record.root = random_subtree(numbers);
    for (std::size_t left = numbers.below(4); left > 0; --left) {
        record.sources.push_back(random_source(numbers));
    }
    record.counts.entries = random_number(numbers);
    record.counts.bytes_source = random_number(numbers);
    record.counts.milliseconds = random_number(numbers);
    record.problems = random_content(numbers);
    record.counter = random_number(numbers);
    record.parent = random_id<SessionId>(numbers);
    record.predecessor = random_id<SessionId>(numbers);
    randomize(numbers, record.predecessor_digest);
    randomize(numbers, record.condemned_digest);
    return record;
}

Bytes encoded(const ProblemRecord& problem)
{
    Bytes out;
    Encoder to(out);
    encode_problem(to, problem);
    return out;
}

ProblemRecord decoded_problem(ByteSpan bytes)
{
    Decoder from(bytes, "problem");
    ProblemRecord problem = decode_problem(from);
    from.finish();
    return problem;
}

bool source_is_refused(const SnapshotSource& source)
{
    SnapshotRecord record = sample();
    record.sources = {source};
    return is_refused(encode_snapshot(record), decode_snapshot);
}

} // namespace

TEST_CASE("a snapshot has the bytes that the format says")
{
    CHECK(to_hex(encode_snapshot(sample())) ==
          repeated_hex(0x11, 32) + "0202" + "066261636b7570" + "0168" + "0175" + "02017400" +
              "0163" + "0170" + repeated_hex(0x22, 32) + "03ac02" + "01" + "0566696c6573" +
              "0474726565" + "01022f61" + "02" + "01" + "027b7d" + "016d" +
              "0102030405060708090a0b" + "00010a" + repeated_hex(0x33, 32) + "0173" + "07" +
              repeated_hex(0x44, 32) + repeated_hex(0x55, 32) + repeated_hex(0x66, 32) +
              repeated_hex(0x77, 32));
}

TEST_CASE("snapshots come back")
{
    CHECK(decode_snapshot(encode_snapshot(sample())) == sample());
    SeededNumbers numbers(21);
    for (int i = 0; i < 300; ++i) {
        const SnapshotRecord record = random_snapshot(numbers);
        const Bytes bytes = encode_snapshot(record);
        CHECK(decode_snapshot(bytes) == record);
        CHECK(encode_snapshot(decode_snapshot(bytes)) == bytes);
    }
}

TEST_CASE("a damaged snapshot is refused or is another one")
{
    const Bytes bytes = encode_snapshot(sample());
    CHECK(refuses_every_truncation(bytes, decode_snapshot));
    CHECK(withstands_every_changed_byte(bytes, decode_snapshot, encode_snapshot));
}

TEST_CASE("a source whose name cannot be a child of the root is refused")
{
    SnapshotSource source = sample().sources.front();
    CHECK_FALSE(source_is_refused(source));
    for (const std::string& name : {std::string(), std::string(".."), std::string("a/b"),
                                    std::string(max_name_size + 1, 'a')}) {
        source.name = name;
        CHECK(source_is_refused(source));
    }
}

TEST_CASE("a source with a verdict that is none is refused")
{
    SnapshotSource source = sample().sources.front();
    for (const int verdict : {0, 4, 255}) {
        source.verdict = static_cast<std::uint8_t>(verdict);
        CHECK(source_is_refused(source));
    }
}

TEST_CASE("a snapshot that claims more than it holds is refused")
{
    const std::string head = repeated_hex(0, 32) + "0000" + "000000";
    const std::string root = repeated_hex(0, 32) + "0000";
    const std::string endless = "ffffffffffffffffff01";
    CHECK(is_refused(*from_hex(head + endless), decode_snapshot));
    CHECK(is_refused(*from_hex(head + "01" + endless), decode_snapshot));
    CHECK(is_refused(*from_hex(head + "00" + endless), decode_snapshot));
    CHECK(is_refused(*from_hex(head + "000000" + root + endless), decode_snapshot));
    CHECK(is_refused(*from_hex(head + "000000" + root + "01" + "0161" + "00" + endless),
                     decode_snapshot));
}

TEST_CASE("a list of more tags than any snapshot has is refused")
{
    SnapshotRecord record = sample();
    record.tags.assign(1 << 16, {});
    CHECK_FALSE(is_refused(encode_snapshot(record), decode_snapshot));
    record.tags.emplace_back();
    CHECK(is_refused(encode_snapshot(record), decode_snapshot));
}

TEST_CASE("a problem has the bytes that the format says")
{
    CHECK(to_hex(encoded({"s", "a/b", -1, "m"})) == "0173"
                                                    "03612f62"
                                                    "01"
                                                    "016d");
}

TEST_CASE("problems come back")
{
    SeededNumbers numbers(22);
    for (int i = 0; i < 300; ++i) {
        const ProblemRecord problem{random_text(numbers), random_text(numbers),
                                    static_cast<std::int32_t>(numbers.next()),
                                    random_text(numbers)};
        CHECK(decoded_problem(encoded(problem)) == problem);
    }
    const Bytes bytes = encoded({"s", "a/b", INT32_MIN, "m"});
    CHECK(decoded_problem(bytes).code == INT32_MIN);
    CHECK(refuses_every_truncation(bytes, decoded_problem));
    CHECK(withstands_every_changed_byte(bytes, decoded_problem, encoded));
}

TEST_CASE("a problem with a code that is out of bounds is refused")
{
    Bytes bytes;
    Encoder to(bytes);
    to.text("");
    to.text("");
    to.zigzag(std::int64_t{INT32_MAX} + 1);
    to.text("");
    CHECK(is_refused(bytes, decoded_problem));
}
