#include "store/aws_profiles.hpp"

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/secret.hpp"

#include <algorithm>
#include <cstdlib>
#include <fmt/core.h>

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

std::string_view unquoted(std::string_view text)
{
    const bool quoted = text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
                        text.back() == text.front();
    return quoted ? text.substr(1, text.size() - 2) : text;
}

/// What a section's title names after `word`; empty if it is another kind of section.
std::string name_after(std::string_view word, std::string_view title)
{
    const bool has_word =
        title.size() > word.size() && title.starts_with(word) && is_blank(title[word.size()]);
    return has_word ? std::string(unquoted(trimmed(title.substr(word.size())))) : "";
}

/// The profile that a section's title names; empty if it is another kind of section.
std::string profile_in_title(std::string_view title, bool config)
{
    std::string name = name_after("profile", title);
    if (!name.empty()) {
        return name;
    }
    return config && title != "default" ? "" : std::string(unquoted(title));
}

/// Reads lines into profiles and, in a config file, services.
class Reader
{
public:
    Reader(std::map<std::string, AwsProfile>& profiles, std::map<std::string, AwsProfile>* services)
        : profiles_(profiles), services_(services)
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
        } else if (section_ != nullptr) {
            read_setting(content, static_cast<std::size_t>(content.data() - line.data()));
        }
    }

private:
    void start_section(std::string_view line)
    {
        const std::size_t end = line.find(']');
        section_ =
            end == std::string_view::npos ? nullptr : section(trimmed(line.substr(1, end - 1)));
        key_indent_.reset();
        parent_.clear();
    }

    /// Null for one that is of no use here.
    AwsProfile* section(std::string_view title)
    {
        const bool config = services_ != nullptr;
        const std::string services = config ? name_after("services", title) : "";
        if (!services.empty()) {
            return &(*services_)[services];
        }
        const std::string profile = profile_in_title(title, config);
        return profile.empty() ? nullptr : &profiles_[profile];
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
            (*section_)[parent_ + '.' + name] = value;
            return;
        }
        (*section_)[name] = value;
        key_indent_ = indent;
        parent_ = value.empty() ? name : ""; // "s3 =" opens a block
    }

    std::map<std::string, AwsProfile>& profiles_;
    std::map<std::string, AwsProfile>* services_; ///< null in a credentials file
    AwsProfile* section_ = nullptr;               ///< in one of them
    std::optional<std::size_t> key_indent_; ///< the last key's; what is further in belongs to it
    std::string parent_;                    ///< that key, if it opens a block
};

void read_all(Reader reader, std::string_view text)
{
    constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
    if (text.starts_with(byte_order_mark)) {
        text.remove_prefix(byte_order_mark.size());
    }
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

/// Empty if it is not there or has no value.
std::optional<std::string> value_in(const AwsProfile& section, const std::string& name)
{
    const auto place = section.find(name);
    return place == section.end() || place->second.empty() ? std::nullopt
                                                           : std::optional(place->second);
}

/// What is set for `service` ("s3") goes before what is set for all, and the environment before the
/// profile; empty if nothing is. Throws as AwsProfiles::service_setting().
std::string endpoint_of(const std::string& service, const std::string& variable,
                        const AwsProfiles& profiles, const std::string& profile,
                        const Environment& environment)
{
    for (const std::string& name : {variable, std::string("AWS_ENDPOINT_URL")}) {
        if (auto value = environment(name)) {
            return *value;
        }
    }
    const std::string nested = service + ".endpoint_url";
    if (auto value = profiles.service_setting(profile, nested)) {
        return *value;
    }
    // AWS has no such setting, though some of its programs' plug-ins do.
    if (auto value = profiles.setting(profile, nested)) {
        return *value;
    }
    return profiles.setting(profile, "endpoint_url").value_or("");
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
    read_all(Reader(profiles_, &services_), text);
}

void AwsProfiles::add_credentials(std::string_view text)
{
    read_all(Reader(profiles_, nullptr), text);
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
    return found == nullptr ? std::nullopt : value_in(*found, name);
}

std::optional<std::string> AwsProfiles::service_setting(const std::string& profile,
                                                        const std::string& name) const
{
    const auto services = setting(profile, "services");
    if (!services) {
        return std::nullopt;
    }
    const auto place = services_.find(*services);
    if (place == services_.end()) {
        throw Error(ErrorCode::invalid,
                    fmt::format("the profile's services are '{}', and there is no section "
                                "[services {}] in the AWS config file",
                                *services, *services),
                    profile);
    }
    return value_in(place->second, name);
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
    AwsSettings out;
    out.region = first_of({"AWS_REGION", "AWS_DEFAULT_REGION"}, "region").value_or("");
    if (!is_true(
            first_of({"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"}, "ignore_configured_endpoint_urls"))) {
        out.s3_endpoint = endpoint_of("s3", "AWS_ENDPOINT_URL_S3", profiles, name, environment);
        out.sts_endpoint = endpoint_of("sts", "AWS_ENDPOINT_URL_STS", profiles, name, environment);
    }
    out.addressing_style = profiles.setting(name, "s3.addressing_style").value_or("");
    out.ca_bundle = first_of({"AWS_CA_BUNDLE"}, "ca_bundle").value_or("");
    out.fips = is_true(first_of({"AWS_USE_FIPS_ENDPOINT"}, "use_fips_endpoint"));
    out.dualstack = is_true(first_of({"AWS_USE_DUALSTACK_ENDPOINT"}, "use_dualstack_endpoint"));
    return out;
}

} // namespace backstay::core
