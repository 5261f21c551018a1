#include "engine/living_path.hpp"

namespace backstay::core
{

std::string living_path(std::string_view source_kind, const std::string& path)
{
    return source_kind == "tree" && !path.empty() ? "/" + path : path;
}

} // namespace backstay::core
