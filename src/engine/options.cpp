#include "engine/options.hpp"

#include "base/error.hpp"
#include "base/nearest_word.hpp"
#include "base/size_text.hpp"
#include "engine/option_table.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>

namespace backstay::core
{

namespace
{

[[noreturn]] void refuse(const std::string& message, std::string_view key)
{
    throw Error(ErrorCode::invalid, message, std::string(key));
}

std::string suggestion(std::string_view word, const std::vector<std::string>& candidates)
{
    const std::string near = nearest_word(word, candidates);
    return near.empty() ? std::string() : fmt::format("; did you mean '{}'?", near);
}

std::optional<std::int64_t> parse_number(std::string_view text)
{
    if (text == "unlimited") {
        return -1;
    }
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() && !text.empty()
               ? std::optional(value)
               : std::nullopt;
}

std::optional<double> parse_percent(std::string_view text)
{
    if (text.ends_with('%')) {
        text.remove_suffix(1);
    }
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = error == std::errc() && end == text.data() + text.size() && !text.empty();
    return whole && std::isfinite(value) ? std::optional(value) : std::nullopt;
}

std::optional<bool> parse_flag(std::string_view text)
{
    if (text == "true" || text == "yes" || text == "on" || text == "1") {
        return true;
    }
    if (text == "false" || text == "no" || text == "off" || text == "0") {
        return false;
    }
    return std::nullopt;
}

std::vector<std::string> split_choices(std::string_view choices)
{
    std::vector<std::string> out;
    while (!choices.empty()) {
        const std::size_t bar = std::min(choices.find('|'), choices.size());
        out.emplace_back(choices.substr(0, bar));
        choices.remove_prefix(std::min(bar + 1, choices.size()));
    }
    return out;
}

const char* kind_name(OptionKind kind)
{
    switch (kind) {
    case OptionKind::number:
        return "number";
    case OptionKind::flag:
        return "flag";
    case OptionKind::text:
        return "text";
    case OptionKind::path:
        return "path";
    case OptionKind::size:
        return "size";
    case OptionKind::duration:
        return "duration";
    case OptionKind::percent:
        return "percent";
    case OptionKind::time:
        return "time";
    case OptionKind::choice:
        return "choice";
    case OptionKind::secret:
        return "secret";
    }
    return "";
}

/// "1 to 64", "32.0 MiB or more".
std::string range_text(const OptionSpec& spec)
{
    const auto text = [&spec](std::int64_t number) {
        return spec.kind == OptionKind::size ? format_size(static_cast<std::uint64_t>(number))
                                             : std::to_string(number);
    };
    return spec.most == INT64_MAX ? text(spec.least) + " or more"
                                  : text(spec.least) + " to " + text(spec.most);
}

Record describe(const OptionSpec& spec)
{
    Record record("option");
    record.set("key", spec.key)
        .set("kind", kind_name(spec.kind))
        .set("repeatable", spec.repeatable);
    record.set("default", spec.standard);
    if (spec.most != 0) {
        record.set("least", spec.least).set("most", spec.most);
    }
    if (*spec.choices != '\0') {
        record.set("choices", split_choices(spec.choices));
    }
    record.set("placeholder", spec.placeholder).set("help", spec.help);
    return record;
}

} // namespace

std::span<const OptionSpec> option_specs(std::string_view scope)
{
    for (const OptionScope& known : option_table()) {
        if (scope == known.name) {
            return known.specs;
        }
    }
    refuse(
        fmt::format("there is no option scope '{}'{}", scope, suggestion(scope, option_scopes())),
        scope);
}

std::vector<std::string> option_scopes()
{
    std::vector<std::string> names;
    for (const OptionScope& scope : option_table()) {
        names.emplace_back(scope.name);
    }
    return names;
}

Record describe_options(std::string_view scope)
{
    Record list = Record::list();
    if (scope.empty()) {
        for (const std::string& name : option_scopes()) {
            list.add_text(name);
        }
        return list;
    }
    for (const OptionSpec& spec : option_specs(scope)) {
        list.add(describe(spec));
    }
    return list;
}

OptionSet::OptionSet(std::string_view scope) : scope_(scope), specs_(option_specs(scope)) {}

const OptionSpec& OptionSet::spec(std::string_view key) const
{
    std::vector<std::string> keys;
    for (const OptionSpec& spec : specs_) {
        if (key == spec.key) {
            return spec;
        }
        keys.emplace_back(spec.key);
    }
    refuse(fmt::format("'{}' has no option '{}'{}", scope_, key, suggestion(key, keys)), key);
}

void OptionSet::check(const OptionSpec& spec, std::string_view value) const
{
    const auto in_range = [&spec, value](std::int64_t number) {
        if (spec.most != 0 && (number < spec.least || number > spec.most)) {
            refuse(fmt::format("option '{}' takes {}, not {}", spec.key, range_text(spec), value),
                   spec.key);
        }
    };
    const auto demand = [&spec, value](bool good, const char* form) {
        if (!good) {
            refuse(fmt::format("option '{}' takes {}, not '{}'", spec.key, form, value), spec.key);
        }
    };
    switch (spec.kind) {
    case OptionKind::number:
        demand(parse_number(value).has_value(), "a whole number");
        in_range(*parse_number(value));
        break;
    case OptionKind::flag:
        demand(parse_flag(value).has_value(), "true or false");
        break;
    case OptionKind::size:
        demand(parse_size(value).has_value(), "a size like 64K, 32MiB or 1G");
        in_range(static_cast<std::int64_t>(std::min<std::uint64_t>(*parse_size(value), INT64_MAX)));
        break;
    case OptionKind::duration:
        demand(parse_duration(value).has_value(), "a duration like 90s, 36h, 14d, 8w, 6mo or 5y");
        break;
    case OptionKind::percent:
        demand(parse_percent(value).has_value() && *parse_percent(value) >= 0 &&
                   *parse_percent(value) <= 100,
               "a percentage like 5%");
        break;
    case OptionKind::time:
        demand(parse_time(value).has_value(),
               "a time like 2026-11-25, '2026-11-25 14:03:07' or 2026-11-25T14:03:07Z");
        break;
    case OptionKind::choice: {
        const auto choices = split_choices(spec.choices);
        if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
            refuse(fmt::format("option '{}' takes {}, not '{}'{}", spec.key,
                               fmt::join(choices, ", "), value, suggestion(value, choices)),
                   spec.key);
        }
        break;
    }
    case OptionKind::secret:
        refuse(fmt::format("option '{}' is a secret: set it by set_secret", spec.key), spec.key);
    case OptionKind::text:
        demand(value.find('\0') == std::string_view::npos && is_utf8(value), "UTF-8 text");
        break;
    case OptionKind::path:
        demand(value.find('\0') == std::string_view::npos && !value.empty(), "a path without NUL");
        break;
    }
    if (spec.form != nullptr) {
        try {
            spec.form(value);
        } catch (const Error& error) {
            refuse(fmt::format("option '{}': {}", spec.key, error.what()), spec.key);
        }
    }
}

void OptionSet::set_number(std::string_view key, std::int64_t value)
{
    const OptionSpec& option = spec(key);
    if (option.kind == OptionKind::duration) {
        set_text(key, fmt::format("{}s", value));
        return;
    }
    set_text(key, std::to_string(value));
}

void OptionSet::set_flag(std::string_view key, bool value)
{
    if (spec(key).kind != OptionKind::flag) {
        refuse(fmt::format("option '{}' is no flag but a {}", key, kind_name(spec(key).kind)), key);
    }
    set_text(key, value ? "true" : "false");
}

void OptionSet::set_text(std::string_view key, std::string_view value)
{
    check(spec(key), value);
    values_[std::string(key)] = {std::string(value)};
}

void OptionSet::add_text(std::string_view key, std::string_view value)
{
    const OptionSpec& option = spec(key);
    check(option, value);
    std::vector<std::string>& values = values_[std::string(key)];
    if (!option.repeatable && !values.empty()) {
        refuse(fmt::format("option '{}' is given twice", key), key);
    }
    values.emplace_back(value);
}

void OptionSet::set_secret(std::string_view key, ByteSpan value)
{
    if (spec(key).kind != OptionKind::secret) {
        refuse(fmt::format("option '{}' is no secret", key), key);
    }
    secrets_.insert_or_assign(std::string(key), Secret::copy_of(value));
}

bool OptionSet::has(std::string_view key) const
{
    spec(key);
    return values_.find(key) != values_.end() || secrets_.find(key) != secrets_.end();
}

std::string OptionSet::text(std::string_view key) const
{
    const OptionSpec& option = spec(key);
    const auto found = values_.find(key);
    return found != values_.end() ? found->second.back() : option.standard;
}

std::vector<std::string> OptionSet::texts(std::string_view key) const
{
    const OptionSpec& option = spec(key);
    const auto found = values_.find(key);
    if (found != values_.end()) {
        return found->second;
    }
    return *option.standard != '\0' ? std::vector<std::string>{option.standard}
                                    : std::vector<std::string>{};
}

std::int64_t OptionSet::number(std::string_view key) const
{
    return parse_number(text(key)).value_or(0);
}

bool OptionSet::flag(std::string_view key) const
{
    return parse_flag(text(key)).value_or(false);
}

std::uint64_t OptionSet::size(std::string_view key) const
{
    return parse_size(text(key)).value_or(0);
}

std::optional<Duration> OptionSet::duration(std::string_view key) const
{
    return parse_duration(text(key));
}

double OptionSet::percent(std::string_view key) const
{
    return parse_percent(text(key)).value_or(0);
}

std::optional<Timestamp> OptionSet::time(std::string_view key) const
{
    return parse_time(text(key));
}

const Secret* OptionSet::secret(std::string_view key) const
{
    spec(key);
    const auto found = secrets_.find(key);
    return found != secrets_.end() ? &found->second : nullptr;
}

} // namespace backstay::core
