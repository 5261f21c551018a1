#pragma once

#include "format/entry.hpp"
#include "format/key_record.hpp"
#include "support/seeded_bytes.hpp"

namespace backstay::core
{

/// 0 to 2^64 - 1, all lengths as likely.
inline std::uint64_t random_number(SeededNumbers& numbers)
{
    return numbers.next() >> numbers.below(64);
}

inline bool random_flag(SeededNumbers& numbers)
{
    return numbers.below(2) == 1;
}

template <std::size_t N>
void randomize(SeededNumbers& numbers, std::array<std::uint8_t, N>& bytes)
{
    const Bytes random = seeded_bytes(numbers.next(), N);
    std::copy(random.begin(), random.end(), bytes.begin());
}

template <typename IdType>
IdType random_id(SeededNumbers& numbers)
{
    IdType id;
    randomize(numbers, id.bytes);
    return id;
}

/// Any bytes but '/' and NUL, at least one and never "." or "..".
inline std::string random_name(SeededNumbers& numbers, std::size_t most = 20)
{
    std::string name = "n";
    for (std::size_t left = numbers.below(most); left > 0; --left) {
        const char c = static_cast<char>(1 + numbers.below(255));
        name += c == '/' ? '_' : c;
    }
    return name;
}

inline std::string random_text(SeededNumbers& numbers, std::size_t most = 30)
{
    return std::string(as_text(seeded_bytes(numbers.next(), numbers.below(most))));
}

inline std::vector<std::string> random_texts(SeededNumbers& numbers)
{
    std::vector<std::string> texts(numbers.below(4));
    for (std::string& text : texts) {
        text = random_text(numbers);
    }
    return texts;
}

inline Timestamp random_time(SeededNumbers& numbers)
{
    const auto seconds = static_cast<std::int64_t>(random_number(numbers));
    return {random_flag(numbers) ? seconds : -(seconds / 2),
            static_cast<std::uint32_t>(numbers.below(1'000'000'000))};
}

inline KeyRecord random_key_record(SeededNumbers& numbers)
{
    KeyRecord record;
    record.kind = static_cast<KeyRecord::Kind>(numbers.below(3));
    if (record.kind != KeyRecord::Kind::none) {
        record.epoch = static_cast<std::uint32_t>(numbers.next());
        record.value = seeded_bytes(numbers.next(), record.kind == KeyRecord::Kind::salt ? 32 : 80);
    }
    return record;
}

inline Content random_content(SeededNumbers& numbers)
{
    Content content;
    content.depth = static_cast<std::uint8_t>(numbers.below(max_content_depth + 1));
    content.items.resize(numbers.below(6));
    for (ContentItem& item : content.items) {
        item.length = 1 + (random_number(numbers) >> 8U);
        item.id = random_flag(numbers) ? random_id<BlobId>(numbers) : BlobId{};
    }
    return content;
}

inline Subtree random_subtree(SeededNumbers& numbers)
{
    Subtree subtree;
    subtree.page = random_id<BlobId>(numbers);
    subtree.entries = random_number(numbers);
    subtree.bytes = random_number(numbers);
    return subtree;
}

/// Each field there or not.
inline Entry random_entry(SeededNumbers& numbers)
{
    const auto there = [&numbers] { return random_flag(numbers); };
    Entry entry;
    entry.path = random_name(numbers);
    entry.kind = static_cast<EntryKind>(1 + numbers.below(9));
    entry.damaged = there();
    entry.contents_left_out = there();
    entry.size = there() ? random_number(numbers) : 0;
    if (there()) {
        entry.mode = static_cast<std::uint32_t>(numbers.below(010000));
    }
    if (there()) {
        entry.user_id = static_cast<std::uint32_t>(random_number(numbers));
        entry.user = random_text(numbers);
    }
    if (there()) {
        entry.group_id = static_cast<std::uint32_t>(random_number(numbers));
        entry.group = random_text(numbers);
    }
    for (auto* time : {&entry.modified, &entry.changed, &entry.created}) {
        if (there()) {
            *time = random_time(numbers);
        }
    }
    if (there()) {
        entry.link = LinkIdentity{random_number(numbers), random_number(numbers)};
    }
    entry.device = there() ? random_number(numbers) : 0;
    if (there()) {
        entry.file_flags = random_number(numbers);
    }
    entry.link_target = there() ? random_text(numbers) : "";
    for (std::size_t i = numbers.below(4); i > 0; --i) {
        entry.xattrs.push_back({std::string(4 - i, 'x'), seeded_bytes(i, numbers.below(40))});
    }
    entry.change_token = seeded_bytes(numbers.next(), numbers.below(20));
    if (there()) {
        entry.content = random_content(numbers);
    }
    if (there()) {
        entry.subtree = random_subtree(numbers);
    }
    return entry;
}

} // namespace backstay::core
