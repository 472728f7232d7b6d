// What the machine needs for the bare work. cc -O3 -march=native -o floor floor.c -ldeflate -lcrypto -lpthread
//
//   floor extract THREADS OUT LIST   inflate, untar and write every archive that LIST names (one path a line)
//   floor inflate THREADS LIST       inflate only (".gz" is appended where a path ends in .json)
//   floor sha512  THREADS LIST       hash the archives' bytes
//   floor link    THREADS FROM TO    mkdir the tree and hard-link every file
//   floor symlink COUNT TO           COUNT symbolic links in one directory
//
// Prints milliseconds. It trusts its input, checks no integrity, never syncs, inflates whole files with libdeflate: a lower
// bound that no package manager may aim below, not an example of how to do it.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char *paths[100000];
static int path_count;
static atomic_int next_path;
static const char *mode, *from, *to;

static unsigned char *read_whole(const char *path, size_t *size) {
  int fd = open(path, O_RDONLY);
  struct stat facts;
  if (fd < 0 || fstat(fd, &facts)) { perror(path); exit(1); }
  unsigned char *bytes = malloc(facts.st_size + 1);
  *size = 0;
  while (*size < (size_t)facts.st_size) {
    ssize_t n = read(fd, bytes + *size, facts.st_size - *size);
    if (n <= 0) break;
    *size += n;
  }
  close(fd);
  return bytes;
}

// Makes the directory of `path` below `dir`, unless it is that of the file before.
static void make_parent(int dir, char *path, char *last) {
  char *end = strrchr(path, '/');
  if (!end) return;
  *end = 0;
  if (strcmp(path, last)) {
    strcpy(last, path);
    if (mkdirat(dir, path, 0755) && errno == ENOENT) {
      for (char *at = path; (at = strchr(at, '/')); at++) { *at = 0; mkdirat(dir, path, 0755); *at = '/'; }
      mkdirat(dir, path, 0755);
    }
  }
  *end = '/';
}

static void untar(const unsigned char *tar, size_t size, int number) {
  char root[600], last[600] = "", longer[600] = "";
  snprintf(root, sizeof root, "%s/%d", to, number);
  mkdir(root, 0755);
  int dir = open(root, O_RDONLY | O_DIRECTORY);
  for (size_t at = 0; at + 512 <= size && tar[at];) {
    const char *header = (const char *)tar + at, *body = header + 512;
    size_t length = strtoul(header + 124, NULL, 8);
    char kind = header[156], name[600];
    if (*longer) { strcpy(name, longer); *longer = 0; }
    else if (header[345] && !memcmp(header + 257, "ustar", 5)) snprintf(name, sizeof name, "%.155s/%.100s", header + 345, header);
    else snprintf(name, sizeof name, "%.100s", header);
    if (kind == 'L') snprintf(longer, sizeof longer, "%.*s", (int)length, body);
    else if (kind == 'x') {
      for (const char *line = body; line < body + length;) {
        char *word;
        int span = strtol(line, &word, 10);
        if (span <= 0) break;
        if (!strncmp(word + 1, "path=", 5)) snprintf(longer, sizeof longer, "%.*s", (int)(line + span - word - 7), word + 6);
        line += span;
      }
    } else if (kind == '0' || kind == 0) {
      char *path = strchr(name, '/');
      path = path ? path + 1 : name;
      make_parent(dir, path, last);
      int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
      if (fd < 0 || (length && write(fd, body, length) != (ssize_t)length)) { perror(name); exit(1); }
      close(fd);
    }
    at += 512 + ((length + 511) & ~511ul);
  }
  close(dir);
}

static void *archives(void *unused) {
  struct libdeflate_decompressor *inflater = libdeflate_alloc_decompressor();
  EVP_MD_CTX *digest = EVP_MD_CTX_new();
  unsigned char hash[64], *out = NULL;
  unsigned hash_size;
  size_t capacity = 0, size, got;
  int i;
  while ((i = atomic_fetch_add(&next_path, 1)) < path_count) {
    unsigned char *bytes = read_whole(paths[i], &size);
    if (!strcmp(mode, "sha512")) {
      EVP_DigestInit_ex(digest, EVP_sha512(), NULL);
      EVP_DigestUpdate(digest, bytes, size);
      EVP_DigestFinal_ex(digest, hash, &hash_size);
    } else {
      size_t want = *(unsigned *)(bytes + size - 4);
      if (want < size || want > 1u << 30) want = size * 20;
      if (want > capacity) { free(out); out = malloc(capacity = want); }
      int failed;
      while ((failed = libdeflate_gzip_decompress(inflater, bytes, size, out, capacity, &got)) == LIBDEFLATE_INSUFFICIENT_SPACE) {
        free(out);
        out = malloc(capacity *= 2);
      }
      if (failed) { fprintf(stderr, "%s: not gzip\n", paths[i]); exit(1); }
      if (!strcmp(mode, "extract")) untar(out, got, i);
    }
    free(bytes);
  }
  return unused;
}

static void link_tree(int source, int target) {
  DIR *dir = fdopendir(source);
  struct dirent *entry;
  while ((entry = readdir(dir))) {
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    if (entry->d_type != DT_DIR) { linkat(source, entry->d_name, target, entry->d_name, 0); continue; }
    mkdirat(target, entry->d_name, 0755);
    int inner = openat(target, entry->d_name, O_RDONLY | O_DIRECTORY);
    link_tree(openat(source, entry->d_name, O_RDONLY | O_DIRECTORY), inner);
    close(inner);
  }
  closedir(dir);
}

static void *links(void *unused) {
  int i;
  while ((i = atomic_fetch_add(&next_path, 1)) < path_count) {
    char source[900], target[900];
    snprintf(source, sizeof source, "%s/%s", from, paths[i]);
    snprintf(target, sizeof target, "%s/%s", to, paths[i]);
    mkdir(target, 0755);
    int inner = open(target, O_RDONLY | O_DIRECTORY);
    link_tree(open(source, O_RDONLY | O_DIRECTORY), inner);
    close(inner);
  }
  return unused;
}

static void symlinks(int count) {
  int dir = open(to, O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < count; i++) {
    char name[64], target[900];
    snprintf(name, sizeof name, "package-%d", i);
    snprintf(target, sizeof target, "%s/store/package-%d/0123456789abcdef", to, i);
    symlinkat(target, dir, name);
  }
  close(dir);
}

static void read_list(const char *list) {
  size_t size;
  char *text = (char *)read_whole(list, &size), *line;
  text[size] = 0;
  while ((line = strsep(&text, "\n")) && path_count < 100000) {
    if (!*line) continue;
    char *path = malloc(strlen(line) + 4);
    strcpy(path, line);
    if (strlen(line) > 5 && !strcmp(line + strlen(line) - 5, ".json")) strcat(path, ".gz");
    paths[path_count++] = path;
  }
}

int main(int count, char **words) {
  if (count < 4) { fprintf(stderr, "usage: see the head of floor.c\n"); return 2; }
  mode = words[1];
  int threads = atoi(words[2]);
  void *(*work)(void *) = archives;
  if (!strcmp(mode, "link") && count > 4) {
    from = words[3], to = words[4], work = links;
    DIR *dir = opendir(from);
    struct dirent *entry;
    while ((entry = readdir(dir))) if (entry->d_name[0] != '.') paths[path_count++] = strdup(entry->d_name);
  } else if (!strcmp(mode, "extract") && count > 4) to = words[3], read_list(words[4]);
  else if (!strcmp(mode, "symlink")) to = words[3];
  else read_list(words[3]);
  if (to) mkdir(to, 0755);
  struct timespec before, after;
  pthread_t handles[64];
  clock_gettime(CLOCK_MONOTONIC, &before);
  if (!strcmp(mode, "symlink")) symlinks(threads);
  else {
    for (int i = 0; i < threads && i < 64; i++) pthread_create(handles + i, NULL, work, NULL);
    for (int i = 0; i < threads && i < 64; i++) pthread_join(handles[i], NULL);
  }
  clock_gettime(CLOCK_MONOTONIC, &after);
  printf("%.2f\n", (after.tv_sec - before.tv_sec) * 1e3 + (after.tv_nsec - before.tv_nsec) / 1e6);
  return 0;
}
