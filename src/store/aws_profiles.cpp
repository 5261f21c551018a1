#include "store/aws_profiles.hpp"

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/secret.hpp"

#include <algorithm>
#include <cstdlib>

namespace backstay::core
{

namespace
{

constexpr std::size_t largest_file = MiB;

bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

std::string_view trimmed(std::string_view text)
{
    while (!text.empty() && is_blank(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && is_blank(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

std::string lower_case(std::string_view text)
{
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return out;
}

/// A comment inside a line begins with a blank and '#' or ';'.
std::string_view without_comment(std::string_view text)
{
    for (std::size_t i = 1; i < text.size(); ++i) {
        if ((text[i] == '#' || text[i] == ';') && is_blank(text[i - 1])) {
            return text.substr(0, i);
        }
    }
    return text;
}

/// The profile that a section's title names; empty if it is another kind of section.
std::string profile_in_title(std::string_view title, bool config)
{
    title = trimmed(title);
    constexpr std::string_view word = "profile";
    const bool has_word =
        title.size() > word.size() && title.starts_with(word) && is_blank(title[word.size()]);
    if (config && !has_word) {
        return title == "default" ? "default" : "";
    }
    if (has_word) {
        title = trimmed(title.substr(word.size()));
    }
    if (title.size() >= 2 && (title.front() == '"' || title.front() == '\'') &&
        title.back() == title.front()) {
        title = title.substr(1, title.size() - 2);
    }
    return std::string(title);
}

/// Reads lines into profiles.
class Reader
{
public:
    Reader(std::map<std::string, AwsProfile>& profiles, bool config)
        : profiles_(profiles), config_(config)
    {
    }

    void read(std::string_view line)
    {
        const std::string_view content = trimmed(line);
        if (content.empty() || content.front() == '#' || content.front() == ';') {
            return;
        }
        if (content.front() == '[') {
            start_section(content);
        } else if (profile_ != nullptr) {
            read_setting(content, static_cast<std::size_t>(content.data() - line.data()));
        }
    }

private:
    void start_section(std::string_view line)
    {
        const std::size_t end = line.find(']');
        const std::string name =
            end == std::string_view::npos ? "" : profile_in_title(line.substr(1, end - 1), config_);
        profile_ = name.empty() ? nullptr : &profiles_[name];
        key_indent_.reset();
        parent_.clear();
    }

    void read_setting(std::string_view line, std::size_t indent)
    {
        const bool continues = key_indent_ && indent > *key_indent_;
        if (continues && parent_.empty()) {
            return; // of a value of several lines, which nothing here has
        }
        const std::size_t separator = line.find_first_of("=:"); // a value may hold either
        if (separator == std::string_view::npos) {
            return;
        }
        const std::string name = lower_case(trimmed(line.substr(0, separator)));
        const std::string_view value = trimmed(without_comment(line.substr(separator + 1)));
        if (continues) {
            (*profile_)[parent_ + '.' + name] = value;
            return;
        }
        (*profile_)[name] = value;
        key_indent_ = indent;
        parent_ = value.empty() ? name : ""; // "s3 =" opens a block
    }

    std::map<std::string, AwsProfile>& profiles_;
    bool config_;
    AwsProfile* profile_ = nullptr; ///< in profiles_
    std::optional<std::size_t>
        key_indent_;     ///< of the section's last key: what is further in is its
    std::string parent_; ///< that key, if it opens a block
};

void read_all(std::map<std::string, AwsProfile>& profiles, std::string_view text, bool config)
{
    constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
    if (text.starts_with(byte_order_mark)) {
        text.remove_prefix(byte_order_mark.size());
    }
    Reader reader(profiles, config);
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        if (!line.empty()) {
            reader.read(line);
        }
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
}

/// Empty if there is no such place.
std::string place_of(const Environment& environment, const std::string& variable,
                     std::string_view name)
{
    const std::string home = environment("HOME").value_or("");
    const std::optional<std::string> given = environment(variable);
    if (given && given->starts_with("~/") && !home.empty()) {
        return home + given->substr(1);
    }
    if (given) {
        return *given;
    }
    return home.empty() ? "" : home + "/.aws/" + std::string(name);
}

template <typename Add>
void read_if_there(const std::string& path, Add&& add)
{
    if (path.empty()) {
        return;
    }
    try {
        Bytes text = read_small_file(path, largest_file);
        add(as_text(text));
        wipe(text);
    } catch (const Error& e) {
        if (e.code() != ErrorCode::not_found) {
            throw;
        }
    }
}

bool is_true(const std::optional<std::string>& text)
{
    return text && lower_case(*text) == "true";
}

} // namespace

Environment process_environment()
{
    return [](const std::string& name) -> std::optional<std::string> {
        // NOLINTNEXTLINE(concurrency-mt-unsafe): read only
        const char* value = std::getenv(name.c_str());
        return value == nullptr || *value == '\0' ? std::nullopt
                                                  : std::optional<std::string>(value);
    };
}

AwsProfiles AwsProfiles::load(const Environment& environment)
{
    AwsProfiles out;
    read_if_there(place_of(environment, "AWS_CONFIG_FILE", "config"),
                  [&](std::string_view text) { out.add_config(text); });
    read_if_there(place_of(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials"),
                  [&](std::string_view text) { out.add_credentials(text); });
    return out;
}

void AwsProfiles::add_config(std::string_view text)
{
    read_all(profiles_, text, true);
}

void AwsProfiles::add_credentials(std::string_view text)
{
    read_all(profiles_, text, false);
}

const AwsProfile* AwsProfiles::find(const std::string& name) const
{
    const auto place = profiles_.find(name);
    return place == profiles_.end() ? nullptr : &place->second;
}

std::optional<std::string> AwsProfiles::setting(const std::string& profile,
                                                const std::string& name) const
{
    const AwsProfile* found = find(profile);
    if (found == nullptr) {
        return std::nullopt;
    }
    const auto place = found->find(name);
    return place == found->end() || place->second.empty() ? std::nullopt
                                                          : std::optional(place->second);
}

std::string aws_profile_name(const std::string& wanted, const Environment& environment)
{
    if (!wanted.empty()) {
        return wanted;
    }
    if (const auto named = environment("AWS_PROFILE")) {
        return *named;
    }
    return environment("AWS_DEFAULT_PROFILE").value_or("default");
}

AwsSettings read_aws_settings(const std::string& profile, const Environment& environment)
{
    const AwsProfiles profiles = AwsProfiles::load(environment);
    const std::string name = aws_profile_name(profile, environment);
    const auto first_of = [&](std::initializer_list<const char*> variables,
                              const char* setting) -> std::optional<std::string> {
        for (const char* variable : variables) {
            if (auto value = environment(variable)) {
                return value;
            }
        }
        return profiles.setting(name, setting);
    };
    const std::string any = first_of({"AWS_ENDPOINT_URL"}, "endpoint_url").value_or("");
    AwsSettings out;
    out.region = first_of({"AWS_REGION", "AWS_DEFAULT_REGION"}, "region").value_or("");
    out.s3_endpoint = first_of({"AWS_ENDPOINT_URL_S3"}, "s3.endpoint_url").value_or(any);
    out.sts_endpoint = first_of({"AWS_ENDPOINT_URL_STS"}, "sts.endpoint_url").value_or(any);
    out.addressing_style = profiles.setting(name, "s3.addressing_style").value_or("");
    out.ca_bundle = first_of({"AWS_CA_BUNDLE"}, "ca_bundle").value_or("");
    out.fips = is_true(first_of({"AWS_USE_FIPS_ENDPOINT"}, "use_fips_endpoint"));
    out.dualstack = is_true(first_of({"AWS_USE_DUALSTACK_ENDPOINT"}, "use_dualstack_endpoint"));
    return out;
}

} // namespace backstay::core
