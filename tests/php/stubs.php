<?php
/**
 * Just enough of WordPress and WooCommerce to run the plugin's classes: hooks, options, a table, a cart, a session.
 */

define( 'ABSPATH', __DIR__ . '/' );
define( 'MINUTE_IN_SECONDS', 60 );
define( 'HOUR_IN_SECONDS', 3600 );
define( 'DAY_IN_SECONDS', 86400 );
define( 'ARRAY_A', 'ARRAY_A' );

/** What a script of WordPress ends with: no more lines of it run, but shutdown does. */
final class Ended extends Exception {
	public $status;
	public $answer;
	public function __construct( $status, $answer = null ) {
		parent::__construct( "ended with $status" );
		$this->status = $status;
		$this->answer = $answer;
	}
}

/** All that a request and its site hold; made anew for each test. */
final class World {
	public $hooks      = array();
	public $done       = array(); // Actions that were done: name and first argument.
	public $options    = array();
	public $transients = array();
	public $notices    = array();
	public $styles     = array();
	public $user_id    = 0;
	public $user_locale = 'zh_TW';
	public $may        = true;
	public $nonce      = 'good';
	public $home       = 'https://shop.example.com';
	public $webhooks   = array();
	public $products   = array();
	public $settings   = array();
	public $privacy    = array();
	public static $now;
	public static function begin() {
		global $wpdb;
		self::$now     = new World();
		$wpdb          = new FakeDb();
		$_POST         = array();
		$_GET          = array();
		$_SERVER       = array( 'REQUEST_METHOD' => 'POST', 'REMOTE_ADDR' => '192.0.2.7' );
		Site::$session = new FakeSession();
		Site::request();
		cartwheel_start();
	}
	public static function actions( $name ) {
		$found = array();
		foreach ( self::$now->done as $done ) {
			if ( $done[0] === $name ) {
				$found[] = $done[1];
			}
		}
		return $found;
	}
}

/** The table, asked in the few ways in which the plugin asks; values come back as text, as from the database. */
final class FakeDb {
	public $prefix = 'wp_';
	public $rows   = array();
	public $writes = 0;
	public $works  = true;
	public function prepare( $query, ...$arguments ) {
		return array( $query, $arguments );
	}
	public function replace( $table, $row ) {
		assert( 'wp_cartwheel_checkouts' === $table );
		if ( ! $this->works ) {
			return false;
		}
		++$this->writes;
		$this->rows[ $row['token'] ] = array_map(
			function ( $value ) {
				return null === $value ? null : (string) $value;
			},
			$row
		);
		return 1;
	}
	public function delete( $table, $where ) {
		unset( $this->rows[ $where['token'] ] );
	}
	public function get_row( $query ) {
		if ( is_string( $query ) ) {
			$times = array_column( $this->rows, 'updated_at' );
			return array( 'kept' => (string) count( $times ), 'last' => $times ? max( $times ) : null );
		}
		$token = $query[1][0];
		return isset( $this->rows[ $token ] ) ? $this->rows[ $token ] : null;
	}
	public function get_results( $query ) {
		list( $email, , $limit, $offset ) = $query[1];
		$found = array_filter(
			$this->rows,
			function ( $row ) use ( $email ) {
				return $row['email'] === $email;
			}
		);
		return array_slice( array_values( $found ), $offset, $limit );
	}
	public function query( $query ) {
		list( $before, $limit ) = $query[1];
		$gone = 0;
		foreach ( $this->rows as $token => $row ) {
			if ( $row['updated_at'] < $before && $gone < $limit ) {
				unset( $this->rows[ $token ] );
				++$gone;
			}
		}
		return $gone;
	}
	public function age( $token, $days ) {
		$this->rows[ $token ]['updated_at'] = gmdate( 'Y-m-d H:i:s', time() - $days * DAY_IN_SECONDS );
	}
	public function get_charset_collate() {
		return 'DEFAULT CHARACTER SET utf8mb4';
	}
}

final class FakeSession {
	public $data = array();
	public function get( $key ) {
		return isset( $this->data[ $key ] ) ? $this->data[ $key ] : null;
	}
	public function set( $key, $value ) {
		$this->data[ $key ] = $value;
	}
	public function set_customer_session_cookie( $set ) {
		$this->data['cookie'] = $set;
	}
}

class WC_Product {
	public $id;
	public $price;
	public $is_there = true;
	public function __construct( $id, $price ) {
		$this->id    = $id;
		$this->price = $price;
	}
	public function is_purchasable() {
		return true;
	}
	public function is_in_stock() {
		return $this->is_there;
	}
	public function get_name() {
		return 'Thing ' . $this->id;
	}
	public function get_sku() {
		return 'T-' . $this->id;
	}
	public function get_image_id() {
		return 0;
	}
	public function get_permalink( $line ) {
		return 'https://shop.example.com/product/' . $this->id . '/';
	}
}

final class FakeCart {
	public $lines   = array();
	public $coupons = array();
	public function is_empty() {
		return ! $this->lines;
	}
	public function get_cart() {
		return $this->lines;
	}
	public function display_prices_including_tax() {
		return false;
	}
	public function get_subtotal() {
		$sum = 0;
		foreach ( $this->lines as $line ) {
			$sum += $line['data']->price * $line['quantity'];
		}
		return $sum;
	}
	public function get_subtotal_tax() {
		return 0;
	}
	public function get_total( $context ) {
		return $this->get_subtotal() + 5;
	}
	public function get_applied_coupons() {
		return $this->coupons;
	}
	public function has_discount( $code ) {
		return in_array( strtolower( $code ), $this->coupons, true );
	}
	public function apply_coupon( $code ) {
		$this->coupons[] = strtolower( $code );
		Site::$log[]     = 'coupon for ' . WC()->customer->email;
	}
	public function add_to_cart( $product_id, $quantity, $variation_id, $variation ) {
		$this->lines[] = array(
			'product_id'   => $product_id,
			'variation_id' => $variation_id,
			'variation'    => $variation,
			'quantity'     => $quantity,
			'data'         => wc_get_product( $variation_id ? $variation_id : $product_id ),
		);
		do_action( 'woocommerce_cart_updated' );
		return 'key';
	}
	public function empty_cart() {
		$this->lines   = array();
		$this->coupons = array();
		do_action( 'woocommerce_cart_emptied' );
	}
	public function calculate_totals() {
		do_action( 'woocommerce_cart_updated' );
	}
}

final class FakePerson {
	public $email      = '';
	public $first_name = '';
	public $saved      = 0;
	public function get_billing_email() {
		return $this->email;
	}
	public function set_billing_email( $email ) {
		$this->email = $email;
	}
	public function get_billing_first_name() {
		return $this->first_name;
	}
	public function get_billing_last_name() {
		return '';
	}
	public function get_billing_country() {
		return '';
	}
	public function save() {
		++$this->saved;
	}
}

class WC_Order {
	public $id;
	public $email;
	public $meta  = array();
	public $saved = 0;
	public function __construct( $id, $email ) {
		$this->id    = $id;
		$this->email = $email;
	}
	public function get_id() {
		return $this->id;
	}
	public function get_billing_email() {
		return $this->email;
	}
	public function get_billing_first_name() {
		return 'Alice';
	}
	public function get_billing_last_name() {
		return '';
	}
	public function get_billing_country() {
		return 'PT';
	}
	public function get_meta( $key ) {
		return isset( $this->meta[ $key ] ) ? $this->meta[ $key ] : '';
	}
	public function update_meta_data( $key, $value ) {
		$this->meta[ $key ] = $value;
	}
	public function save() {
		++$this->saved;
	}
}

class WC_Webhook {
	private $fields;
	public function __construct( $id ) {
		$this->fields = World::$now->webhooks[ $id ];
	}
	public function get_delivery_url() {
		return $this->fields[0];
	}
	public function get_topic() {
		return $this->fields[1];
	}
	public function get_secret() {
		return $this->fields[2];
	}
	public function get_status() {
		return $this->fields[3];
	}
}

class WC_Data_Store {
	public static function load( $name ) {
		return new self();
	}
	public function get_webhooks_ids() {
		return array_keys( World::$now->webhooks );
	}
}

class WC_AJAX {
	public static function get_endpoint( $name ) {
		return '/?wc-ajax=' . $name;
	}
}

class WooCommerce {
	public $cart;
	public $session;
	public $customer;
}

/** The visitor's side: one browser, which makes one request after another. */
final class Site {
	public static $session;
	public static $cart;
	public static $customer;
	public static $log = array();
	/** Begins a request with the cart that the session has; the first of a session has none. */
	public static function request( $is_new_browser = false ) {
		if ( $is_new_browser ) {
			self::$session = new FakeSession();
		}
		if ( $is_new_browser || ! self::$cart || ! isset( self::$session->data['begun'] ) ) {
			self::$cart                   = new FakeCart();
			self::$customer               = new FakePerson();
			self::$session->data['begun'] = true;
		}
		self::$log = array();
	}
	/** Ends the request, as PHP does: what hooks into shutdown runs. */
	public static function end() {
		do_action( 'shutdown' );
	}
}

function WC() {
	$wc           = new WooCommerce();
	$wc->cart     = Site::$cart;
	$wc->session  = Site::$session;
	$wc->customer = Site::$customer;
	return $wc;
}

// Hooks.
function add_action( $name, $callback, $priority = 10, $arguments = 1 ) {
	World::$now->hooks[ $name ][ $priority ][] = array( $callback, $arguments );
}
function add_filter( $name, $callback, $priority = 10, $arguments = 1 ) {
	add_action( $name, $callback, $priority, $arguments );
}
function apply_filters( $name, $value, ...$more ) {
	$found = isset( World::$now->hooks[ $name ] ) ? World::$now->hooks[ $name ] : array();
	ksort( $found );
	foreach ( $found as $hooks ) {
		foreach ( $hooks as $hook ) {
			$value = call_user_func_array( $hook[0], array_slice( array( $value, ...$more ), 0, $hook[1] ) );
		}
	}
	return $value;
}
function do_action( $name, ...$arguments ) {
	World::$now->done[] = array( $name, isset( $arguments[0] ) ? $arguments[0] : null );
	$found              = isset( World::$now->hooks[ $name ] ) ? World::$now->hooks[ $name ] : array();
	ksort( $found );
	foreach ( $found as $hooks ) {
		foreach ( $hooks as $hook ) {
			call_user_func_array( $hook[0], array_slice( $arguments, 0, $hook[1] ) );
		}
	}
}

// Options, transients, nonces, people.
function get_option( $name, $default = false ) {
	return isset( World::$now->options[ $name ] ) ? World::$now->options[ $name ] : $default;
}
function update_option( $name, $value ) {
	World::$now->options[ $name ] = $value;
}
function get_transient( $name ) {
	return isset( World::$now->transients[ $name ] ) ? World::$now->transients[ $name ] : false;
}
function set_transient( $name, $value, $seconds ) {
	World::$now->transients[ $name ] = $value;
}
function wp_create_nonce( $action ) {
	return World::$now->nonce;
}
function check_ajax_referer( $action, $field, $dies ) {
	$sent = isset( $_POST[ $field ] ) ? $_POST[ $field ] : ( isset( $_GET[ $field ] ) ? $_GET[ $field ] : '' );
	return $sent === World::$now->nonce;
}
function current_user_can( $right ) {
	return World::$now->may;
}
function get_user_locale() {
	return World::$now->user_locale;
}
function get_current_user_id() {
	return World::$now->user_id;
}
function is_user_logged_in() {
	return World::$now->user_id > 0;
}

// Answers.
function wp_send_json_success( $data = null ) {
	throw new Ended( 200, $data );
}
function wp_send_json_error( $data, $status ) {
	throw new Ended( $status, $data );
}
function wp_die( $text, $status ) {
	throw new Ended( $status, $text );
}
function wp_safe_redirect( $url ) {
	throw new Ended( 302, $url );
}
function nocache_headers() {
}
function wc_add_notice( $text, $kind ) {
	World::$now->notices[] = array( $kind, $text );
}

// Text and addresses.
function __( $text, $domain ) {
	return $text;
}
function _n( $one, $many, $count, $domain ) {
	return 1 === $count ? $one : $many;
}
function esc_html__( $text, $domain ) {
	return esc_html( $text );
}
function esc_attr__( $text, $domain ) {
	return esc_html( $text );
}
function esc_html( $text ) {
	return htmlspecialchars( (string) $text, ENT_QUOTES );
}
function esc_attr( $text ) {
	return esc_html( $text );
}
function esc_url( $url ) {
	return esc_html( $url );
}
function wp_json_encode( $value ) {
	return json_encode( $value );
}
function wp_unslash( $value ) {
	return is_string( $value ) ? stripslashes( $value ) : $value;
}
function sanitize_key( $text ) {
	return preg_replace( '/[^a-z0-9_\-]/', '', strtolower( $text ) );
}
function sanitize_text_field( $text ) {
	return trim( preg_replace( '/[\r\n\t ]+/', ' ', strip_tags( $text ) ) );
}
function wp_strip_all_tags( $text ) {
	return trim( strip_tags( $text ) );
}
function is_email( $text ) {
	return 1 === preg_match( '/^[^@\s]+@[^@\s]+\.[^@\s]+$/', $text ) ? $text : false;
}
function wp_parse_str( $text, &$result ) {
	parse_str( $text, $result );
}
function wp_parse_url( $url ) {
	return parse_url( $url );
}
function wp_hash( $text ) {
	return hash_hmac( 'md5', $text, 'salt' );
}
function wp_specialchars_decode( $text, $quotes ) {
	return htmlspecialchars_decode( $text, $quotes );
}
function untrailingslashit( $text ) {
	return rtrim( $text, '/' );
}
function home_url( $path = '' ) {
	return World::$now->home . $path;
}
function admin_url( $path = '' ) {
	return World::$now->home . '/wp-admin/' . $path;
}
function plugins_url( $path, $file ) {
	return World::$now->home . '/wp-content/plugins/cartwheel/' . $path;
}
function plugin_basename( $file ) {
	return 'cartwheel/cartwheel.php';
}
function add_query_arg( $first, $second = null, $third = null ) {
	$more = is_array( $first ) ? $first : array( $first => $second );
	$url  = is_array( $first ) ? $second : $third;
	foreach ( $more as $name => $value ) {
		$url .= ( false === strpos( $url, '?' ) ? '?' : '&' ) . $name . '=' . $value;
	}
	return $url;
}
function determine_locale() {
	return 'en_US';
}
function number_format_i18n( $number ) {
	return (string) $number;
}
function selected( $one, $other, $echo ) {
	return $one === $other ? ' selected' : '';
}
function checked( $one, $other, $echo ) {
	return $one === $other ? ' checked' : '';
}

// WooCommerce.
function get_woocommerce_currency() {
	return 'EUR';
}
function wc_format_decimal( $number, $places ) {
	return number_format( (float) $number, $places, '.', '' );
}
function wc_get_product( $id ) {
	return isset( World::$now->products[ $id ] ) ? World::$now->products[ $id ] : false;
}
function wc_get_price_excluding_tax( $product ) {
	return $product->price;
}
function wc_get_page_permalink( $page ) {
	return home_url( "/$page/" );
}
function wc_get_cart_url() {
	return home_url( '/cart/' );
}
function wc_get_checkout_url() {
	return home_url( '/checkout/' );
}
function wc_format_coupon_code( $code ) {
	return strtolower( $code );
}

// wp-admin and the rest: called, and noted where a test looks.
function register_activation_hook( $file, $callback ) {
}
function register_deactivation_hook( $file, $callback ) {
}
function register_setting( $group, $name, $about ) {
	World::$now->settings[ $name ] = $about;
}
function register_rest_route( $space, $route, $about ) {
	World::$now->settings[ "$space$route" ] = $about;
}
function settings_errors() {
}
function settings_fields( $group ) {
	echo "<input type=hidden name=option_page value=$group>";
}
function submit_button() {
	echo '<button>Save</button>';
}
function woocommerce_register_additional_checkout_field( $field ) {
	World::$now->settings['block_field'] = $field;
}
