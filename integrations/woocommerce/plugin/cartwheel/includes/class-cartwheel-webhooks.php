<?php
/**
 * Our topics among WooCommerce's webhooks: it signs and delivers them as it does its own.
 *
 * @package Cartwheel
 */

defined( 'ABSPATH' ) || exit;

/**
 * Registers the resources `checkout` and `shopper`, and reads what they are when a webhook is delivered.
 *
 * The hooks carry a token and nothing else: arguments are stored in WooCommerce's queue, and equal ones that wait merge.
 */
final class Cartwheel_Webhooks {

	const TOPICS = array( 'checkout.created', 'checkout.updated', 'checkout.deleted', 'shopper.deleted' );

	/**
	 * Hooks in. On every request: pages, the REST API and the queue all ask.
	 */
	public static function init() {
		add_filter( 'woocommerce_valid_webhook_resources', array( __CLASS__, 'add_resources' ) );
		add_filter( 'woocommerce_webhook_topic_hooks', array( __CLASS__, 'add_hooks' ) );
		add_filter( 'woocommerce_webhook_topics', array( __CLASS__, 'add_labels' ) );
		add_filter( 'woocommerce_webhook_payload', array( __CLASS__, 'read_payload' ), 10, 3 );
		add_action( 'rest_api_init', array( __CLASS__, 'add_status_route' ) );
	}

	/**
	 * Lets a topic begin with our words.
	 *
	 * @param array $resources WooCommerce's.
	 * @return array
	 */
	public static function add_resources( $resources ) {
		return array_merge( (array) $resources, array( 'checkout', 'shopper' ) );
	}

	/**
	 * Says which action sets off which topic: cartwheel_checkout_updated and so on.
	 *
	 * @param array $hooks WooCommerce's.
	 * @return array
	 */
	public static function add_hooks( $hooks ) {
		foreach ( self::TOPICS as $topic ) {
			$hooks[ $topic ] = array( 'cartwheel_' . str_replace( '.', '_', $topic ) );
		}
		return $hooks;
	}

	/**
	 * Names our topics in the list of a webhook's settings.
	 *
	 * @param array $labels WooCommerce's.
	 * @return array
	 */
	public static function add_labels( $labels ) {
		$labels['checkout.created'] = __( 'Checkout begun (Cartwheel)', 'cartwheel' );
		$labels['checkout.updated'] = __( 'Checkout changed (Cartwheel)', 'cartwheel' );
		$labels['checkout.deleted'] = __( 'Checkout forgotten (Cartwheel)', 'cartwheel' );
		$labels['shopper.deleted']  = __( 'Shopper erased (Cartwheel)', 'cartwheel' );
		return $labels;
	}

	/**
	 * Builds the body when it is delivered, from what is true then.
	 *
	 * @param mixed  $payload  What WooCommerce made: nothing, or {"id": ...} for a topic that ends in deleted.
	 * @param string $resource The resource.
	 * @param mixed  $argument What the action carried: a checkout's token, or the hash of an address.
	 * @return mixed
	 */
	public static function read_payload( $payload, $resource, $argument ) {
		if ( 'shopper' === $resource ) {
			return array( 'email_sha256' => (string) $argument );
		}
		if ( 'checkout' !== $resource || ( is_array( $payload ) && isset( $payload['id'] ) ) ) {
			return $payload;
		}
		$row = Cartwheel_Checkouts::find( $argument );
		return $row ? self::body( $row ) : array(
			'code'    => 'cartwheel_checkout_invalid_id',
			'message' => 'Invalid ID.',
			'data'    => array( 'status' => 404 ),
		);
	}

	/**
	 * Writes a checkout as Cartwheel reads it.
	 *
	 * @param array $row A row of Cartwheel_Checkouts.
	 * @return array
	 */
	public static function body( array $row ) {
		$cart = $row['cart'];
		return array(
			'token'          => $row['token'],
			'status'         => $row['status'],
			'created_at_gmt' => self::instant( $row['created_at'] ),
			'updated_at_gmt' => self::instant( $row['updated_at'] ),
			'email'          => $row['email'],
			'customer_id'    => $row['user_id'],
			'first_name'     => $row['first_name'],
			'last_name'      => $row['last_name'],
			'country'        => $row['country'],
			'locale'         => $row['locale'],
			'currency'       => $cart['currency'],
			'subtotal'       => $cart['subtotal'],
			'total'          => $cart['total'],
			'coupons'        => $cart['coupons'],
			'items'          => array_map( array( __CLASS__, 'item' ), $cart['items'] ),
			'consent'        => array(
				'marketing' => $row['consent'],
				'at'        => $row['consent_at'] ? self::instant( $row['consent_at'] ) : null,
				'text'      => $row['consent_text'],
			),
			'source'         => $row['source'],
			'recovery_url'   => Cartwheel_Recovery::url( $row['token'] ),
			'order_id'       => $row['order_id'] ? $row['order_id'] : null,
		);
	}

	/**
	 * Says that we are here, and which topics there are. Nothing of the shop's, so anybody may ask.
	 */
	public static function add_status_route() {
		register_rest_route(
			'cartwheel/v1',
			'/status',
			array(
				'methods'             => 'GET',
				'permission_callback' => '__return_true',
				'callback'            => function () {
					return array(
						'name'    => 'cartwheel',
						'version' => CARTWHEEL_VERSION,
						'topics'  => self::TOPICS,
					);
				},
			)
		);
	}

	/**
	 * Keeps an empty choice an object: PHP writes every empty array as a list.
	 *
	 * @param array $item A line of the cart.
	 * @return array
	 */
	private static function item( array $item ) {
		$item['variation'] = (object) $item['variation'];
		return $item;
	}

	/**
	 * Writes a time of the database, which is in UTC, with its offset.
	 *
	 * @param string $stored Y-m-d H:i:s.
	 * @return string
	 */
	private static function instant( $stored ) {
		return str_replace( ' ', 'T', $stored ) . '+00:00';
	}
}
