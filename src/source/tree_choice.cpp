#include "source/tree_choice.hpp"

#include "base/record.hpp"

#include <algorithm>
#include <array>

namespace backstay::core
{

namespace
{

struct Texts {
    const char* name;
    std::vector<std::string> TreeSourceOptions::*member;
};

struct Flag {
    const char* name;
    bool TreeSourceOptions::*member;
};

constexpr std::array all_texts{
    Texts{"exclude", &TreeSourceOptions::excludes},
    Texts{"iexclude", &TreeSourceOptions::excludes_ignoring_case},
    Texts{"exclude_if_present", &TreeSourceOptions::exclude_if_present},
};

constexpr std::array all_flags{
    Flag{"exclude_caches", &TreeSourceOptions::exclude_caches},
    Flag{"exclude_nodump", &TreeSourceOptions::exclude_nodump},
    Flag{"one_file_system", &TreeSourceOptions::one_file_system},
};

constexpr const char* size_limit = "exclude_larger_than";

} // namespace

std::string record_of_choice(const TreeSourceOptions& options)
{
    const TreeSourceOptions standard;
    Record record;
    for (const Texts& texts : all_texts) {
        Record list = Record::list();
        for (const std::string& text : options.*texts.member) {
            list.add(Record().set("text", RawText{text})); // which need not be UTF-8
        }
        if (!list.fields().empty()) {
            record.set(texts.name, std::move(list));
        }
    }
    for (const Flag& flag : all_flags) {
        if (options.*flag.member != standard.*flag.member) {
            record.set(flag.name, options.*flag.member);
        }
    }
    if (options.exclude_larger_than != 0) {
        record.set(size_limit, options.exclude_larger_than);
    }
    return record.fields().empty() ? std::string() : record.json();
}

void apply_choice(std::string_view record, TreeSourceOptions& options)
{
    if (record.empty()) {
        return;
    }
    const Record choice = Record::from_json(record);
    for (const Texts& texts : all_texts) {
        for (const Record& item : choice.records(texts.name)) {
            (options.*texts.member).push_back(item.raw_text("text"));
        }
    }
    for (const Flag& flag : all_flags) {
        const std::int64_t standard = options.*flag.member ? 1 : 0;
        options.*flag.member = choice.number(flag.name, standard) != 0;
    }
    options.exclude_larger_than =
        static_cast<std::uint64_t>(std::max<std::int64_t>(0, choice.number(size_limit)));
}

} // namespace backstay::core
