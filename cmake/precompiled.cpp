// The file that the precompiled headers' own targets are made of (cmake/precompiled.cmake).
int main() {}
